import { existsSync } from "node:fs";
import { rmSync } from "node:fs";
import { AttemptDirectory } from "../compute/attempt-directory.ts";
import type { Handle, JobStatus } from "../compute/executors/executor.ts";
import type { JobSpec } from "../compute/job.ts";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../domain/records.ts";
import { jobOf } from "./job.ts";
import type { Lab } from "./lab.ts";
import type { Lane } from "./lane.ts";
import { MetricIngest } from "./metric-ingest.ts";
import { observeOutcome, unreadableOutcome, type Ending, type ObservedOutcome } from "./outcome.ts";
import type { Preparation } from "./preparation.ts";
import { earlierAttempts, experimentById, liveAttempts, runById } from "./queries.ts";

/** An attempt that has not ended, with what is needed to start and to conclude it. */
export interface Live {
  attempt: AttemptRecord;
  run: RunRecord;
  experiment: ExperimentRecord;
}

export interface Ended {
  live: Live;
  outcome: ObservedOutcome;
}

export const attemptId = (run: Pick<RunRecord, "id">, number: number): string => `${run.id.slice(0, 16)}-${number}`;

/** What is known of a job that removed its own record of having started: starting it again could go on for ever. */
const removed: Ending = {
  state: "gone",
  withdrawn: false,
  category: "removed",
  evidence: "The directory of the attempt was removed.",
};

const wasRemoved = ({ attempt }: Live): boolean =>
  (attempt.state === "submitted" || attempt.state === "running") && !existsSync(attempt.directory);

const directoryOf = ({ attempt }: Live): AttemptDirectory => new AttemptDirectory(attempt.directory);

/** Faults of the disk or the database: everything waits until they are mended. */
const isEverywhere = (error: unknown): boolean =>
  error instanceof RigorError && (error.code === "storage" || error.code === "database");

const mostFailures = 3;

/** Ended attempts that do not count as using the machine while their artifacts are hashed. */
const mostHashed = 4;

const handleOf = ({ attempt }: Live): Handle => ({ attempt: attempt.id, run: attempt.run_id, reference: "" });

/**
 * The attempts under way, between the log and the executor. What is seen here becomes events only when the dispatcher
 * writes them, and is kept until it has: a transaction that fails loses nothing.
 */
export class LiveAttempts {
  readonly #lab: Lab;
  readonly #preparation: Preparation;
  readonly #metrics: MetricIngest;
  readonly #live = new Map<string, Live>();
  /** Attempts that the executor says have changed. */
  readonly #changed = new Set<string>();
  /** Intended in the log, and not handed to the executor. */
  readonly #unsubmitted = new Set<string>();
  readonly #cancelling = new Set<string>();
  /** What was seen and is not in the log yet, by attempt. */
  readonly #news = new Map<string, DomainEvent[]>();
  readonly #ended = new Map<string, Ended>();
  /** Ended, and their outputs are being hashed. */
  readonly #concluding = new Map<string, Promise<void>>();
  /** How often the end of an attempt could not be looked at. */
  readonly #failures = new Map<string, number>();
  readonly #onConcluded: () => void;

  constructor(lab: Lab, preparation: Preparation, onConcluded: () => void) {
    this.#onConcluded = onConcluded;
    this.#lab = lab;
    this.#preparation = preparation;
    this.#metrics = new MetricIngest(lab);
  }

  /**
   * Takes over what an earlier daemon left. Nothing is assumed about an attempt whose start may or may not have
   * happened: the executor is asked first, and says `unclaimed` when it has to be handed over.
   */
  async adopt(): Promise<void> {
    const { db } = this.#lab.store;
    for (const attempt of await liveAttempts(db)) {
      const [run, experiment] = [await runById(db, attempt.run_id), await experimentById(db, attempt.experiment_id)];
      await this.#lab.lanes.reopen(attempt.compute_id);
      this.#live.set(attempt.id, { attempt, run, experiment });
      if (run.state !== "active" || run.current_attempt !== attempt.id) this.#cancelling.add(attempt.id);
    }
  }

  get size(): number {
    return this.#live.size;
  }

  get ended(): readonly Ended[] {
    return [...this.#ended.values()];
  }

  /** Attempts that hold their lease: all that are not known to have ended. */
  holding(): Live[] {
    return [...this.#live.values()].filter(({ attempt }) => !this.#ended.has(attempt.id));
  }

  /**
   * Attempts that hold their part of a machine. One whose job has ended gives it back while its artifacts are hashed;
   * of those, a few do at a time, so that hashing never takes the machine from what runs.
   */
  leased(): Live[] {
    const hashed = new Set([...this.#concluding.keys()].slice(0, mostHashed));
    return this.holding().filter(({ attempt }) => !hashed.has(attempt.id));
  }

  /** Those of {@link LiveAttempts.holding} on one compute. */
  #on(lane: Lane): Live[] {
    return this.holding().filter(({ attempt }) => attempt.compute_id === lane.id);
  }

  /** Whether anything is under way on a compute. */
  uses(lane: Lane): boolean {
    return this.#on(lane).length > 0;
  }

  /** Whether something is to be done on a compute, besides to look. */
  hasWork(lane: Lane): boolean {
    return this.#on(lane).some(
      ({ attempt: { id } }) => this.#unsubmitted.has(id) || this.#cancelling.has(id) || this.#changed.has(id),
    );
  }

  #laneOf({ attempt }: Live): Lane {
    const lane = this.#lab.lanes.get(attempt.compute_id);
    if (lane === undefined) throw new Error(`attempt ${attempt.id} is on ${attempt.compute_id}, which is not open`);
    return lane;
  }

  /** Attempts that the log intends to start. */
  add(intended: readonly Live[]): void {
    for (const live of intended) {
      this.#live.set(live.attempt.id, live);
      this.#unsubmitted.add(live.attempt.id);
    }
  }

  noteChange(attempt: string): void {
    this.#changed.add(attempt);
  }

  cancelRun(runId: string): void {
    for (const { attempt } of this.#live.values()) if (attempt.run_id === runId) this.#cancelling.add(attempt.id);
  }

  /** Asks a compute about its attempts that changed, or about all of them. */
  async observe(lane: Lane, all: boolean): Promise<void> {
    const asked = this.#on(lane).filter(
      ({ attempt }) =>
        (all || this.#changed.has(attempt.id)) &&
        !this.#unsubmitted.has(attempt.id) &&
        !this.#concluding.has(attempt.id),
    );
    for (const { attempt } of asked) this.#changed.delete(attempt.id);
    if (asked.length === 0) return;
    const statuses = await lane.executor.status(asked.map(handleOf));
    await Promise.all(asked.map((live) => this.#seeAlone(live, statuses.get(live.attempt.id))));
  }

  /** What is wrong with one attempt's files holds up that attempt only: it is looked at again. */
  async #seeAlone(live: Live, status: JobStatus | undefined): Promise<void> {
    try {
      await this.#see(live, status);
    } catch (error) {
      if (isEverywhere(error)) throw error;
      this.#lab.log.error({ err: error, attempt: live.attempt.id }, "an attempt could not be looked at");
      if (status?.state === "ended" || status?.state === "gone") this.#giveUpAfterSome(live, status, error);
    }
  }

  /** An end that cannot be looked at again and again is a failure: its lease must not be held for ever. */
  #giveUpAfterSome(live: Live, ending: Ending, error: unknown): void {
    const { id } = live.attempt;
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    if (failures >= mostFailures)
      this.#ended.set(id, { live, outcome: unreadableOutcome(live.attempt, ending, error) });
  }

  async #see(live: Live, status: JobStatus | undefined): Promise<void> {
    switch (status?.state) {
      case "unclaimed":
        if (wasRemoved(live)) return await this.#noteEnd(live, removed);
        this.#unsubmitted.add(live.attempt.id);
        return;
      case "running":
        this.#noteStart(live);
        return;
      case "ended":
      case "gone":
        await this.#noteEnd(live, status);
        return;
      default:
        // Waiting, or no answer: nothing is concluded from either.
        return;
    }
  }

  /** Notes once that a job runs, and as which process. Jobs that end before the first look skip this. */
  #noteStart(live: Live): void {
    if (live.attempt.state === "running") return;
    const record = directoryOf(live).readProcess();
    const process = record === null ? null : { pid: record.pid, started: record.started };
    const started_at = new Date().toISOString();
    this.#noteSubmission(live);
    this.#tell(live, { kind: "attempt.started", entity: live.attempt.id, data: { process, started_at } });
    live.attempt = { ...live.attempt, state: "running", process, started_at };
  }

  async #noteEnd(live: Live, ending: Ending): Promise<void> {
    if (!this.#isPrepared(live)) return;
    const withdrawn = ending.state === "gone" && ending.withdrawn;
    if (!withdrawn) this.#noteSubmission(live);
    // A job that never started has not removed them.
    if (live.experiment.definition.environment.pass.length > 0) rmSync(directoryOf(live).secrets, { force: true });
    if (live.experiment.definition.outputs.artifacts.length === 0) await this.#conclude(live, ending);
    else this.#concludeLater(live, ending);
  }

  async #conclude(live: Live, ending: Ending): Promise<void> {
    await this.#metrics.ingest(this.#laneOf(live).executor, [handleOf(live)]);
    const outcome = await observeOutcome(live.attempt, live.experiment, ending);
    this.#ended.set(live.attempt.id, { live, outcome });
  }

  /** Hashing large artifacts takes minutes: nothing else waits for it. */
  #concludeLater(live: Live, ending: Ending): void {
    const { id } = live.attempt;
    const work = this.#conclude(live, ending)
      .catch((error: unknown) => {
        this.#lab.log.error({ err: error, attempt: id }, "an attempt could not be concluded");
        if (!isEverywhere(error)) this.#giveUpAfterSome(live, ending, error);
      })
      .then(() => {
        this.#concluding.delete(id);
        this.#onConcluded();
      });
    this.#concluding.set(id, work);
  }

  /** Waits for what is being concluded. */
  async settle(): Promise<void> {
    await Promise.all(this.#concluding.values());
  }

  /** The manifest of an adopted attempt tells of its environment, so that is looked up before it is concluded. */
  #isPrepared(live: Live): boolean {
    const { experiment } = live;
    const lane = this.#laneOf(live);
    if (this.#preparation.get(experiment.id, lane.id) !== undefined) return true;
    if (this.#preparation.failure(experiment.id, lane.id) !== null) return true;
    this.#preparation.begin(experiment, lane, () => undefined);
    return false;
  }

  #noteSubmission(live: Live): void {
    if (live.attempt.state !== "queued" && live.attempt.state !== "staging") return;
    this.#tell(live, { kind: "attempt.submitted", entity: live.attempt.id, data: {} });
    live.attempt = { ...live.attempt, state: "submitted" };
  }

  #tell(live: Live, event: DomainEvent): void {
    this.#news.set(live.attempt.id, [...(this.#news.get(live.attempt.id) ?? []), event]);
  }

  /** What was seen and is to be written. Hand the same value to {@link LiveAttempts.written} when it is. */
  news(): { events: DomainEvent[]; ended: readonly Ended[] } {
    return { events: [...this.#news.values()].flat(), ended: this.ended };
  }

  /** Forgets what the log has now. */
  written({ events, ended }: { events: readonly DomainEvent[]; ended: readonly Ended[] }): void {
    const known = new Set(events);
    for (const [id, waiting] of this.#news) {
      const rest = waiting.filter((event) => !known.has(event));
      if (rest.length === 0) this.#news.delete(id);
      else this.#news.set(id, rest);
    }
    for (const { live } of ended) {
      const { id } = live.attempt;
      this.#live.delete(id);
      this.#ended.delete(id);
      this.#cancelling.delete(id);
      this.#unsubmitted.delete(id);
      this.#metrics.forget(id);
      this.#failures.delete(id);
    }
  }

  /**
   * Hands over what is intended for a compute.
   *
   * @param isPrepared says whether an experiment is ready there, and sees that it will be
   */
  async submit(lane: Lane, isPrepared: (experiment: ExperimentRecord) => Promise<boolean>): Promise<void> {
    const ready: Live[] = [];
    for (const id of this.#unsubmitted) {
      const live = this.#live.get(id);
      if (live === undefined) this.#unsubmitted.delete(id);
      else if (live.attempt.compute_id === lane.id && (await isPrepared(live.experiment))) ready.push(live);
    }
    if (ready.length === 0) return;
    await lane.executor.submit(await this.#jobsOf(lane, ready));
    for (const live of ready) {
      this.#unsubmitted.delete(live.attempt.id);
      this.#noteSubmission(live);
    }
  }

  async #jobsOf(lane: Lane, ready: readonly Live[]): Promise<JobSpec[]> {
    const attemptsRoot = await lane.executor.attemptsRoot();
    const checkpoints = await this.#checkpoints(lane, ready);
    return ready.map((live) => {
      const prepared = this.#preparation.get(live.experiment.id, lane.id);
      if (prepared === undefined) throw new Error(`${live.experiment.id} is not prepared`);
      const resume = checkpoints.get(live.attempt.id) ?? null;
      return jobOf({ ...live, prepared, attemptsRoot, resume, lane });
    });
  }

  /** Attempt -> the newest earlier try of its run that left checkpoints on the same compute. */
  async #checkpoints(lane: Lane, ready: readonly Live[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const retries = ready.filter(({ attempt, run }) => attempt.number > run.resume_from);
    if (retries.length === 0) return found;
    const earlier = await earlierAttempts(this.#lab.store.db, lane.id, retries);
    const kept = await lane.executor.withCheckpoints([...earlier.values()].flat());
    for (const [attempt, handles] of earlier) {
      const newest = handles.find((handle) => kept.has(handle.attempt));
      if (newest !== undefined) found.set(attempt, newest.attempt);
    }
    return found;
  }

  async cancel(lane: Lane): Promise<void> {
    const handles = [...this.#cancelling].flatMap((id) => {
      const live = this.#live.get(id);
      if (live === undefined) this.#cancelling.delete(id);
      return live?.attempt.compute_id === lane.id ? [handleOf(live)] : [];
    });
    if (handles.length === 0) return;
    // A job that was not handed over is withdrawn by its executor, and then seen as gone.
    for (const handle of handles) this.#unsubmitted.delete(handle.attempt);
    await lane.executor.cancel(handles);
    for (const handle of handles) this.#cancelling.delete(handle.attempt);
  }

  async ingestMetrics(lane: Lane): Promise<void> {
    await this.#metrics.ingest(lane.executor, this.#on(lane).map(handleOf));
  }
}
