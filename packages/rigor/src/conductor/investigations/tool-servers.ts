import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionOrder } from "../../agents/backends/backend.ts";
import { listTools } from "../../agents/tool-servers/mcp-client.ts";
import { secretsOf } from "../../agents/transcripts/masking.ts";
import { OwnToolServer, StoppedError, sweep } from "../../agents/tool-servers/tool-server.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { RigorError } from "../../domain/errors.ts";
import {
  computeOf,
  expandKnown,
  expandVariables,
  parseToolServers,
  variablesIn,
  type ToolServers,
} from "../../domain/files/tool-servers.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import { InvestigationDirectory } from "./directory.ts";
import { JobEnds } from "./tool-jobs/job-ends.ts";
import type { ToolOrder } from "./tool-jobs/job-search.ts";
import type { ToolPatience } from "./tool-jobs/patience.ts";
import { ToolJob } from "./tool-jobs/tool-job.ts";

type Servers = SessionOrder["tools"]["servers"];

/** Told which server has ended that nobody has stopped; `isOver` where its agent has ended, too. */
export type OnLoss = (
  investigation: InvestigationRecord,
  loss: { server: string; evidence: string },
  isOver: boolean,
) => Promise<void>;

/** Milliseconds until a process that has ended is known to have, and for which a machine is waited for. */
const pauseMs = 100;
const lookMs = 15_000;

/** The servers of one investigation that were started, and what stops their start. */
interface Kept {
  abort: AbortController;
  own: OwnToolServer[];
  jobs: ToolJob[];
  /** Server -> asks at once whether it has ended, and how. */
  looks: Map<string, () => Promise<string | null>>;
  /** Server -> what it waits for. */
  waits: Map<string, string>;
  /** Settles when no server is being started any more. */
  starting: Promise<unknown>;
}

/** The tool servers of investigations, each with its own. They are started anew for each process of an agent. */
export class InvestigationServers {
  readonly #lab: Lab;
  readonly #kept = new Map<string, Kept>();
  readonly #patience: ToolPatience;
  readonly #onLoss: OnLoss;
  readonly #jobEnds: JobEnds;
  /** The daemon ends, and the next one goes on with the jobs of computes. */
  #isLeaving = false;

  /** @param onLoss told when a server ends that nobody has stopped */
  constructor(lab: Lab, patience: ToolPatience, onLoss: OnLoss) {
    this.#lab = lab;
    this.#patience = patience;
    this.#onLoss = onLoss;
    this.#jobEnds = new JobEnds(lab, patience);
  }

  /** Ends, now and from now on, jobs of computes whose investigations are over. */
  follow(): void {
    this.#jobEnds.follow();
  }

  close(): Promise<void> {
    return this.#jobEnds.close();
  }

  /**
   * Starts the servers of an investigation, and waits until all can be used.
   *
   * @param mostBytes that artifacts may take
   * @throws RigorError where one cannot; none is left then
   */
  async start(investigation: InvestigationRecord, mostBytes: number): Promise<Servers> {
    await this.#release(investigation);
    const directory = new InvestigationDirectory(investigation.directory);
    const { promise: starting, resolve: settled } = Promise.withResolvers<null>();
    const kept: Kept = {
      abort: new AbortController(),
      own: [],
      jobs: [],
      looks: new Map(),
      waits: new Map(),
      starting,
    };
    this.#kept.set(investigation.id, kept);
    const servers = parseToolServers(readFileSync(directory.servers, "utf8"), directory.servers);
    // All are waited for, also when one fails: none may come to life after that.
    const started = await Promise.allSettled(
      Object.entries(servers).map(async ([name, server]) => {
        try {
          return [name, await this.#startOne({ investigation, mostBytes, name, server }, kept)] as const;
        } catch (error) {
          kept.abort.abort();
          throw error;
        }
      }),
    );
    settled(null);
    const failed = started.filter((one) => one.status === "rejected");
    if (failed.length === 0) {
      return Object.fromEntries(started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
    }
    await this.stop(investigation);
    throw failed.map(({ reason }) => reason as unknown).find((reason) => !isAbort(reason)) ?? failed[0]?.reason;
  }

  /** Values of variables with names of secrets, which servers are given or which stand in how they are started. */
  secretsOf(investigation: Pick<InvestigationRecord, "directory">): string[] {
    const directory = new InvestigationDirectory(investigation.directory);
    const text = readFileSync(directory.servers, "utf8");
    const given = Object.values(parseToolServers(text, directory.servers)).flatMap((server) =>
      "url" in server ? [] : Object.entries(server.env).map(([name, value]) => [name, expandKnown(value, process.env)]),
    );
    const named = variablesIn(text).map((name) => [name, process.env[name] ?? ""]);
    return [given, named].flatMap((variables) => secretsOf(Object.fromEntries(variables) as Record<string, string>));
  }

  async #startOne(
    wanted: Pick<ToolOrder, "investigation" | "mostBytes" | "name"> & { server: ToolServers[string] },
    kept: Kept,
  ): Promise<Servers[string]> {
    const { investigation, mostBytes, name, server } = wanted;
    if ("url" in server) return elsewhere(name, server);
    const compute = computeOf(server, investigation.compute);
    if (compute !== null)
      return this.#startJob(kept, { investigation, mostBytes, name, server, compute, patience: this.#patience });
    const directory = new InvestigationDirectory(investigation.directory);
    const place = {
      name,
      project: investigation.project,
      directory: directory.server(name),
      variables: { RIGOR_INVESTIGATION: investigation.id, RIGOR_ARTIFACTS: directory.artifacts },
    };
    kept.waits.set(name, `${name} gets ready`);
    const own = await OwnToolServer.start(place, server, kept.abort.signal);
    kept.waits.delete(name);
    kept.own.push(own);
    kept.looks.set(name, () => Promise.race([own.ended(), sleep(pauseMs, null)]));
    this.#watch(kept, investigation, name, own.ended());
    const { url, token, tools } = own;
    return { url, token, tools };
  }

  async #startJob(kept: Kept, order: ToolOrder): Promise<Servers[string]> {
    const { investigation, name } = order;
    const say = (waits: string): void => void kept.waits.set(name, waits);
    const job = await ToolJob.start(this.#lab, order, say, kept.abort.signal);
    kept.waits.delete(name);
    kept.jobs.push(job);
    kept.looks.set(name, () => Promise.race([job.whyLost(), sleep(lookMs, null)]));
    this.#watch(kept, investigation, name, job.lost());
    const { url, token, tools } = job;
    return { url, token, tools };
  }

  #watch(kept: Kept, investigation: InvestigationRecord, name: string, ended: Promise<string>): void {
    const { log } = this.#lab;
    const tell = async (evidence: string): Promise<void> => {
      if (this.#kept.get(investigation.id) !== kept || kept.abort.signal.aborted) return;
      await this.#onLoss(investigation, lossOf(name, evidence), false);
    };
    ended
      .then(tell)
      .catch((error: unknown) => log.error({ err: error, server: name }, "a tool server cannot be followed"));
  }

  /** Looks once more, when the agent has ended, whether a server had ended before: that may be why. */
  async tellLosses(investigation: InvestigationRecord): Promise<void> {
    const kept = this.#kept.get(investigation.id);
    if (kept === undefined || kept.abort.signal.aborted) return;
    for (const [name, look] of kept.looks) {
      const evidence = await look();
      if (evidence !== null) return this.#onLoss(investigation, lossOf(name, evidence), true);
    }
  }

  /** What the servers of an investigation wait for before they can be used, a sentence's end each. */
  waitsOf(id: string): string[] {
    return [...(this.#kept.get(id)?.waits.values() ?? [])];
  }

  /** Gives up every server that is not ready yet: the daemon ends. */
  abandon(): void {
    this.#isLeaving = true;
    for (const { abort } of this.#kept.values()) abort.abort();
  }

  /**
   * Ends the servers of an investigation, those that are being started and those that a daemon has left among them. Jobs of
   * computes go on where the daemon ends, and the investigation does not.
   */
  async stop(investigation: Pick<InvestigationRecord, "id" | "project" | "directory" | "servers">): Promise<void> {
    await this.#release(investigation);
    if (!this.#isLeaving) await this.#jobEnds.endThoseOf(investigation);
  }

  /** Ends what was started here, and lets go of the jobs of computes. */
  async #release({ id, directory, servers }: Pick<InvestigationRecord, "id" | "directory" | "servers">): Promise<void> {
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    kept?.abort.abort();
    for (const job of kept?.jobs ?? []) job.leave();
    await kept?.starting;
    for (const job of kept?.jobs ?? []) job.leave();
    await Promise.all((kept?.own ?? []).map((server) => server.stop()));
    for (const name of servers) await sweep(new InvestigationDirectory(directory).server(name));
  }
}

const lossOf = (server: string, evidence: string) => ({
  server,
  evidence: `The tool server ${server} ended while the agent worked. ${evidence}`,
});

const isAbort = (reason: unknown): boolean => reason instanceof StoppedError;

/** A server that others run. */
async function elsewhere(
  name: string,
  { url, headers }: Extract<ToolServers[string], { url: string }>,
): Promise<Servers[string]> {
  const expand = (text: string) => expandVariables(text, process.env);
  const target = { url: expand(url), token: expand(headers?.Authorization ?? "Bearer none").slice("Bearer ".length) };
  try {
    return { ...target, tools: await listTools(target) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const next = "Start it, and then the investigation again.";
    throw new RigorError("not-possible", `The tool server ${name} at ${target.url} cannot be used: ${why}.`, {
      next,
      cause,
    });
  }
}
