import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../../bench/lab/lab.ts";
import type { InvestigationRecord, ToolJobRecord } from "../../../domain/investigations/records.ts";
import { decodeRow } from "../../../store/tables.ts";
import { endJob, vacate } from "./job-end.ts";
import type { ToolPatience } from "./patience.ts";
import { countedAsOver, whatToDo } from "./unwanted.ts";

/** Milliseconds between two tries to end what could not be ended. */
const pauseMs = 10_000;

/** A job, and where what it left goes. */
type Left = ToolJobRecord & Pick<InvestigationRecord, "directory" | "project">;
/** @see whatToDo */
type OfMember = Left & { member: string | null; state: InvestigationRecord["state"] };

/**
 * Ends jobs of tool servers whose investigations are over, or wait for a machine that does not come back, again and again
 * until each is known to have ended.
 */
export class JobEnds {
  readonly #lab: Lab;
  readonly #patience: ToolPatience;
  readonly #closing = new AbortController();
  readonly #ending = new Map<string, Promise<void>>();
  /** Job of another machine -> since when that was seen without a daemon. */
  readonly #forsaken = new Map<string, number>();
  #following: Promise<void> | null = null;

  constructor(lab: Lab, patience: ToolPatience) {
    this.#lab = lab;
    this.#patience = patience;
  }

  follow(): void {
    this.#following ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#endAll().catch((error: unknown) => this.#complain(error, "jobs of tool servers"));
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #endAll(): Promise<void> {
    if (!this.#lab.driving.isSafe) return;
    const alive = new Set((await this.#lab.driving.drivers?.roster.daemons())?.map(({ member }) => member));
    await Promise.all((await this.#open()).map((job) => this.#settle(job, alive)));
  }

  async #settle(job: OfMember, alive: ReadonlySet<string | null>): Promise<void> {
    const now = performance.now();
    const isOwn = job.member === this.#lab.driving.member;
    const hasDaemon = isOwn || alive.has(job.member);
    if (hasDaemon) this.#forsaken.delete(job.id);
    else if (!this.#forsaken.has(job.id)) this.#forsaken.set(job.id, now);
    const forsakenMs = now - (this.#forsaken.get(job.id) ?? now);
    const isReachable = this.#lab.lanes.isReachable(job.compute_id);
    const remaining = { isWanted: job.state !== "ended", isOwn, hasDaemon, isReachable, forsakenMs };
    switch (whatToDo(remaining, this.#patience)) {
      case "end":
        return this.#end(job);
      case "count-as-over":
        return vacate(this.#lab, job, countedAsOver(this.#patience));
      case "leave":
    }
  }

  /** Those of an investigation, which nobody starts any more. What cannot be ended now is ended later. */
  async endThoseOf({
    id,
    directory,
    project,
  }: Pick<InvestigationRecord, "id" | "directory" | "project">): Promise<void> {
    const rows = await this.#lab.store.db
      .selectFrom("tool_jobs")
      .selectAll()
      .where("investigation_id", "=", id)
      .where("ended_at", "is", null)
      .execute();
    await Promise.all(rows.map((row) => this.#end({ ...decodeRow("tool_jobs", row), directory, project })));
  }

  #end(job: Left): Promise<void> {
    const known = this.#ending.get(job.id);
    if (known !== undefined) return known;
    const work = endJob(this.#lab, job, job)
      .catch((error: unknown) => this.#complain(error, job.id))
      .finally(() => this.#ending.delete(job.id));
    this.#ending.set(job.id, work);
    return work;
  }

  #complain(error: unknown, what: string): void {
    if (this.#closing.signal.aborted) return;
    this.#lab.log.warn({ err: error, job: what }, "a tool server could not be ended; it is tried again");
  }

  /** Jobs that are not known to have ended. */
  async #open(): Promise<OfMember[]> {
    const rows = await this.#lab.store.db
      .selectFrom("tool_jobs")
      .innerJoin("investigations", "investigations.id", "tool_jobs.investigation_id")
      .innerJoin("sessions", "sessions.id", "investigations.session_id")
      .selectAll("tool_jobs")
      .select(["investigations.directory", "investigations.project", "investigations.state", "sessions.member"])
      .where("tool_jobs.ended_at", "is", null)
      .execute();
    return rows.map((row) => decodeRow("tool_jobs", row));
  }
}
