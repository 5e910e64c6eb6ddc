import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freeName, StoppedError } from "../../../agents/tool-servers/tool-server.ts";
import { placeTool } from "../../../bench/dispatch/tool-places.ts";
import type { Lab } from "../../../bench/lab/lab.ts";
import type { Lane } from "../../../bench/lab/lane.ts";
import { findCompute, readSettings } from "../../../bench/lab/settings.ts";
import { toolJobsOf } from "../../../bench/records/tool-job-queries.ts";
import { RigorError } from "../../../domain/errors.ts";
import type { StartedServer } from "../../../domain/files/tool-servers.ts";
import type { InvestigationRecord, ToolJobRecord } from "../../../domain/investigations/records.ts";
import type { Staged } from "../../../provenance/staging/stager.ts";
import { InvestigationDirectory } from "../directory.ts";
import { endOf, handleOf, isOver, vacate } from "./job-end.ts";
import { makeSecret, readSecret, type JobSecret } from "./job-secret.ts";
import { environmentOf, jobOfTool, resourcesOf } from "./job-spec.ts";
import type { ToolPatience } from "./patience.ts";

/** Milliseconds before a machine is asked again. */
const pauseMs = 2_000;
/** How long what is known of a machine may be old, in milliseconds. */
const probeMs = 2_000;

/** Told what is waited for. */
export type Say = (waits: string) => void;

export interface ToolOrder {
  investigation: InvestigationRecord;
  name: string;
  server: StartedServer;
  /** The compute, as rigor.yaml names it. */
  compute: string;
  /** What its artifacts may take. */
  mostBytes: number;
  patience: ToolPatience;
}

/** A job that is on record, and how to get at it. */
export interface Placed {
  lane: Lane;
  record: ToolJobRecord;
  secret: JobSecret;
}

/** Finds or makes the job of a server. */
export class JobSearch {
  readonly #lab: Lab;
  readonly #order: ToolOrder;
  readonly #say: Say;
  readonly #signal: AbortSignal;
  readonly #directory: string;

  constructor(lab: Lab, order: ToolOrder, say: Say, signal: AbortSignal) {
    this.#lab = lab;
    this.#order = order;
    this.#say = say;
    this.#signal = signal;
    this.#directory = new InvestigationDirectory(order.investigation.directory).server(order.name);
  }

  /** The job that an earlier daemon has left, if it is not over. */
  async present(): Promise<Placed | null> {
    const record = (await this.#jobs()).find(({ ended_at }) => ended_at === null);
    if (record === undefined) return null;
    const lane = await this.#lab.lanes.reopen(record.compute_id);
    const secret = readSecret(this.#directory, record.id);
    if (secret === null) throw this.#unknown();
    const handle = handleOf(record);
    const status = await this.patiently(async () => (await lane.executor.status([handle])).get(record.id));
    if (!isOver(status)) return { lane, record, secret };
    await vacate(this.#lab, record, endOf(status));
    return null;
  }

  /** Nobody can talk to a server whose secret is lost; its job is ended with the investigation. */
  #unknown(): RigorError {
    const { name, compute } = this.#order;
    const file = join(this.#directory, "job.json");
    const message = `The tool server ${name} on ${compute} cannot be used any more: ${file}, which leads to it, is gone or damaged.`;
    return new RigorError("not-possible", message, { next: "Its job is ended. Start the investigation again." });
  }

  async #jobs(): Promise<ToolJobRecord[]> {
    const jobs = await toolJobsOf(this.#lab.store.db, this.#order.investigation.id);
    return jobs.filter(({ server }) => server === this.#order.name);
  }

  /** Writes down a new job, as soon as there is room for it. It is submitted when it is seen that nobody has. */
  async place(): Promise<Placed> {
    const { investigation, name, server, compute } = this.#order;
    const { project } = investigation;
    const job = `tool-${randomBytes(8).toString("hex")}`;
    const secret = makeSecret(this.#directory, job, freeName(this.#directory, name, 1));
    for (;;) {
      if (this.#signal.aborted) throw new StoppedError();
      const configuration = findCompute(readSettings(project), compute);
      const lane = await this.#lab.lanes.open(configuration);
      // What is built first takes no card from anybody.
      await this.patiently(() => this.#stage(lane));
      if (lane.isPlaced) await this.patiently(() => lane.probe(probeMs));
      const need = { lane, configuration, repository: project, resources: resourcesOf(server) };
      const placed = lane.isOpen ? await this.#write(need, job) : `${lane.record?.state}: ${lane.record?.reason}`;
      if (typeof placed !== "string") return { lane, record: placed, secret };
      this.#say(`${name} waits for ${compute}: ${placed}`);
      await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  #write(need: Parameters<typeof placeTool>[1], job: string): Promise<ToolJobRecord | string> {
    const { investigation, name, compute } = this.#order;
    const { id } = investigation;
    return this.#lab.store.transact("conductor", async (transaction) => {
      const lease = await placeTool(transaction.db, need);
      if (typeof lease === "string") return lease;
      const data = { server: name, job, compute, compute_id: need.lane.id, lease };
      await transaction.append([{ kind: "investigation.placed", entity: id, data }]);
      const place = { server: name, repository: need.repository, compute, compute_id: need.lane.id, lease };
      const open = { placed_at: new Date().toISOString(), ended_at: null, evidence: null };
      return { ...place, ...open, id: job, investigation_id: id };
    });
  }

  /** Hands the job over. Doing it twice starts it once. */
  async submit(lane: Lane, record: ToolJobRecord, secret: JobSecret): Promise<void> {
    const { server, mostBytes, patience } = this.#order;
    const staged = await this.patiently(() => this.#stage(lane));
    const [previous] = (await this.#jobs()).filter(({ id }) => id !== record.id).toReversed();
    if (this.#signal.aborted) throw new StoppedError();
    const attemptsRoot = await this.patiently(() => lane.executor.attemptsRoot());
    const facts = {
      record,
      server,
      secret,
      staged,
      lane,
      attemptsRoot,
      previous: previous?.id ?? null,
      mostBytes,
      patience,
    };
    await this.patiently(() => lane.executor.submit([jobOfTool(facts)]));
  }

  #stage(lane: Lane): Promise<Staged> {
    const { investigation, name, server, compute } = this.#order;
    const { project, commit } = investigation;
    if (commit === null) throw new RigorError("internal", `Investigation ${investigation.number} names no commit.`);
    return lane.stager.stage({
      ...{ repository: project, commit, environment: environmentOf(server), inputs: {}, signal: this.#signal },
      say: (what) => this.#say(`${name} on ${compute}: ${what}`),
    });
  }

  /**
   * Asks a machine until it answers, and reaches what it needs, as long as that can be expected.
   *
   * @throws RigorError what it answers; `unreachable` or `network` where that is so for long
   */
  async patiently<Value>(ask: () => Promise<Value>): Promise<Value> {
    const { compute, patience } = this.#order;
    for (const began = performance.now(); ;) {
      try {
        return await ask();
      } catch (error) {
        if (this.#signal.aborted) throw new StoppedError();
        if (!(error instanceof RigorError) || (error.code !== "unreachable" && error.code !== "network")) throw error;
        if (performance.now() - began > patience.lostMs) throw error;
        this.#say(
          error.code === "network" ? `${compute}: ${error.next}` : `${compute} cannot be reached: ${error.message}`,
        );
      }
      await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }
}
