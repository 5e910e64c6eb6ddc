import { delimiter } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../../domain/errors.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { undecidedPause } from "../../domain/rules/compute-rules.ts";
import { stagedPaths, type Staged } from "../../provenance/staging/stager.ts";
import { requireCommand } from "./command-check.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane } from "../lab/lane.ts";

/** What is being made ready, for people who wait. */
export interface PreparationStep {
  what: string;
  since: string;
  log_file: string | null;
}

/** Before a machine that did not answer is asked again. */
const unreachablePauseMs = 5_000;
/** Before it is tried again where a network is wanted for long: it may be another compute that runs go on. */
const networkPauseMs = 600_000;

/** Makes code, environment and inputs of experiments ready, each once on each compute, and remembers where they are. */
export class Preparation {
  readonly #lab: Lab;
  readonly #ready = new Map<string, Staged>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #steps = new Map<string, PreparationStep>();
  /** What failed, and until when that counts, by `performance.now()`. */
  readonly #failed = new Map<string, { error: RigorError; untilMs: number }>();
  /** Tries in a row that failed for want of a network. */
  readonly #withoutNetwork = new Map<string, number>();
  /** Ends builds when the daemon stops. */
  readonly #abort = new AbortController();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  get(experimentId: string, computeId: string): Staged | undefined {
    return this.#ready.get(keyOf(experimentId, computeId));
  }

  /** Takes over what another daemon has made ready. */
  learn(experimentId: string, computeId: string, staged: Staged): void {
    const key = keyOf(experimentId, computeId);
    this.#ready.set(key, staged);
    this.#failed.delete(key);
  }

  /** Why the last try failed. It is not tried again until it is forgiven, or a network may be there again. */
  failure(experimentId: string, computeId: string): RigorError | null {
    const failed = this.#failed.get(keyOf(experimentId, computeId));
    return failed !== undefined && performance.now() < failed.untilMs ? failed.error : null;
  }

  /** What was ready there may be gone: it is looked up anew before it is used again. */
  forget(experimentId: string, computeId: string): void {
    this.#ready.delete(keyOf(experimentId, computeId));
  }

  /**
   * Somebody changed a checkout of an experiment: none that uses one of its checkouts starts anything there before it is
   * looked at.
   */
  forgetCheckouts(experimentId: string): void {
    const own = [...this.#ready].filter(([key]) => key.startsWith(keyOf(experimentId, "")));
    const written = new Set(own.map(([, { directory }]) => directory));
    for (const [key, { directory }] of this.#ready) if (written.has(directory)) this.#ready.delete(key);
  }

  /** A person has mended what was wrong. */
  forgive(experimentId: string): void {
    for (const kept of [this.#failed, this.#withoutNetwork]) {
      for (const key of kept.keys()) if (key.startsWith(keyOf(experimentId, ""))) kept.delete(key);
    }
  }

  /**
   * Forgets what is ready on a compute for all but some experiments: it is looked up anew before it is used again.
   *
   * @returns absolute paths there that the others use
   */
  keepOnly(computeId: string, experiments: ReadonlySet<string>): string[] {
    const kept: string[] = [];
    for (const [key, staged] of this.#ready) {
      const [experiment = "", compute] = key.split(" ");
      if (compute !== computeId) continue;
      if (!experiments.has(experiment)) this.#ready.delete(key);
      else kept.push(...stagedPaths(staged));
    }
    return kept;
  }

  /** What people wait for, if anything: on the compute where it was begun first. */
  step(experimentId: string): PreparationStep | null {
    for (const [key, step] of this.#steps) if (key.startsWith(keyOf(experimentId, ""))) return step;
    return null;
  }

  /** Begins to prepare, unless that is under way; calls back when it has ended, well or not. */
  begin(experiment: ExperimentRecord, lane: Lane, done: () => void): void {
    const key = keyOf(experiment.id, lane.id);
    if (this.#running.has(key) || this.failure(experiment.id, lane.id) !== null) return;
    const work = this.#prepareOnce(key, experiment, lane).then(() => {
      this.#running.delete(key);
      this.#steps.delete(key);
      if (!this.#abort.signal.aborted) done();
    });
    this.#running.set(key, work);
  }

  async #prepareOnce(key: string, experiment: ExperimentRecord, lane: Lane): Promise<void> {
    try {
      this.#ready.set(key, await this.#prepare(key, experiment, lane));
      this.#withoutNetwork.delete(key);
    } catch (error) {
      const pauseMs = this.#pauseAfter(key, error);
      if (pauseMs === null) this.#fail(key, error instanceof RigorError ? error : this.#fault(experiment, error));
      else await sleep(pauseMs, undefined, { signal: this.#abort.signal }).catch(() => undefined);
    }
  }

  /** When it is tried again by itself what says nothing about the experiment; null where a person has to look. */
  #pauseAfter(key: string, error: unknown): number | null {
    if (!(error instanceof RigorError)) return null;
    if (error.code === "unreachable") return unreachablePauseMs;
    if (error.code !== "network") return null;
    const times = (this.#withoutNetwork.get(key) ?? 0) + 1;
    this.#withoutNetwork.set(key, times);
    const pauseMs = undecidedPause(times);
    if (pauseMs === null) return null;
    const what = `a new try in ${pauseMs / 1_000} s: ${error.next ?? error.message}`.replace(/\.$/, "");
    const log_file = this.#steps.get(key)?.log_file ?? null;
    this.#steps.set(key, { what, since: new Date().toISOString(), log_file });
    return pauseMs;
  }

  #fail(key: string, error: RigorError): void {
    const untilMs = error.code === "network" ? performance.now() + networkPauseMs : Number.POSITIVE_INFINITY;
    this.#failed.set(key, { error, untilMs });
  }

  #fault(experiment: ExperimentRecord, error: unknown): RigorError {
    this.#lab.log.error({ err: error, experiment: experiment.id }, "preparation failed");
    const message = error instanceof Error ? error.message : String(error);
    return new RigorError("internal", `The experiment could not be prepared: ${message}`, { cause: error });
  }

  /** Ends what is under way; it is begun anew by the next daemon. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#running.values());
  }

  async #prepare(key: string, experiment: ExperimentRecord, lane: Lane): Promise<Staged> {
    const { repository, commit } = experiment.source;
    const staged = await lane.stager.stage({
      repository,
      commit,
      environment: experiment.definition.environment,
      search_path: experiment.search_path,
      inputs: experiment.inputs,
      say: (what, log_file) => this.#steps.set(key, { what, since: new Date().toISOString(), log_file }),
      log: (line) => this.#lab.log.debug({ experiment: experiment.id, compute: lane.id }, line),
      signal: this.#abort.signal,
    });
    if (lane.isHere) await this.#checkHere(experiment, staged);
    return staged;
  }

  /** What was true of this machine when the experiment was planned must still be. */
  async #checkHere(experiment: ExperimentRecord, { directory, environment }: Staged): Promise<void> {
    if (environment.key !== experiment.environment.key) {
      throw new RigorError("environment", "The machine's runtime changed since the experiment was planned.", {
        next: "Run the experiment file again: it becomes a new version with the present runtime.",
      });
    }
    const path = [...environment.path_prefix, experiment.search_path].join(delimiter);
    await requireCommand(experiment.definition, directory, path);
  }
}

const keyOf = (experimentId: string, computeId: string): string => `${experimentId} ${computeId}`;
