import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../../bench/lab/lab.ts";
import type { InvestigationRecord, ToolJobRecord } from "../../../domain/investigations/records.ts";
import { decodeRow } from "../../../store/tables.ts";
import { InvestigationDirectory } from "../directory.ts";
import { endJob, vacate } from "./job-end.ts";
import { countedAsOver, whatToDo } from "./unwanted.ts";

/** Milliseconds between two tries to end what could not be ended. */
const pauseMs = 10_000;

/** A job that nobody wants any more, and where what it left goes. */
type Unwanted = ToolJobRecord & { directory: string };
/** @see whatToDo */
type OfMember = Unwanted & { member: string | null };

/** Ends jobs of tool servers whose investigations are over, again and again until each is known to have ended. */
export class JobEnds {
  readonly #lab: Lab;
  readonly #closing = new AbortController();
  readonly #ending = new Map<string, Promise<void>>();
  /** Job of another machine -> since when that was seen without a daemon. */
  readonly #forsaken = new Map<string, number>();
  #following: Promise<void> | null = null;

  constructor(lab: Lab) {
    this.#lab = lab;
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
    await Promise.all((await this.#unwanted()).map((job) => this.#settle(job, alive)));
  }

  async #settle(job: OfMember, alive: ReadonlySet<string | null>): Promise<void> {
    const now = performance.now();
    const isOwn = job.member === this.#lab.driving.member;
    const hasDaemon = isOwn || alive.has(job.member);
    if (hasDaemon) this.#forsaken.delete(job.id);
    else if (!this.#forsaken.has(job.id)) this.#forsaken.set(job.id, now);
    const forsakenMs = now - (this.#forsaken.get(job.id) ?? now);
    switch (whatToDo({ isOwn, hasDaemon, isReachable: this.#lab.lanes.isReachable(job.compute_id), forsakenMs })) {
      case "end":
        return this.#end(job);
      case "count-as-over":
        return vacate(this.#lab, job, countedAsOver);
      case "leave":
    }
  }

  /** Those of an investigation, which nobody starts any more. What cannot be ended now is ended later. */
  async endThoseOf({ id, directory }: Pick<InvestigationRecord, "id" | "directory">): Promise<void> {
    const rows = await this.#lab.store.db
      .selectFrom("tool_jobs")
      .selectAll()
      .where("investigation_id", "=", id)
      .where("ended_at", "is", null)
      .execute();
    await Promise.all(rows.map((row) => this.#end({ ...decodeRow("tool_jobs", row), directory })));
  }

  #end(job: Unwanted): Promise<void> {
    const known = this.#ending.get(job.id);
    if (known !== undefined) return known;
    const work = endJob(this.#lab, job, new InvestigationDirectory(job.directory).artifacts)
      .catch((error: unknown) => this.#complain(error, job.id))
      .finally(() => this.#ending.delete(job.id));
    this.#ending.set(job.id, work);
    return work;
  }

  #complain(error: unknown, what: string): void {
    if (this.#closing.signal.aborted) return;
    this.#lab.log.warn({ err: error, job: what }, "a tool server could not be ended; it is tried again");
  }

  /** Jobs of investigations that have ended. */
  async #unwanted(): Promise<OfMember[]> {
    const rows = await this.#lab.store.db
      .selectFrom("tool_jobs")
      .innerJoin("investigations", "investigations.id", "tool_jobs.investigation_id")
      .innerJoin("sessions", "sessions.id", "investigations.session_id")
      .selectAll("tool_jobs")
      .select(["investigations.directory", "sessions.member"])
      .where("tool_jobs.ended_at", "is", null)
      .where("investigations.state", "=", "ended")
      .execute();
    return rows.map((row) => decodeRow("tool_jobs", row));
  }
}
