import type { FailureCategory } from "../../compute/failures/failure-category.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import type { HostStorageError } from "../../hosts/host-failure.ts";
import { bringHere } from "./adoption.ts";
import { liveAttempts } from "../records/attempt-queries.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Conclusions } from "./conclusions.ts";
import { Deliveries } from "../computes/deliveries.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { Interruptions } from "./interruptions.ts";
import type { Lab } from "../lab/lab.ts";
import type { Lane, Urgency } from "../lab/lane.ts";
import { directoryOf, handleOf, type Ended, type Live } from "./live.ts";
import { MetricIngest } from "./metric-ingest.ts";
import { Observation } from "./observation.ts";
import type { Preparation } from "../computes/preparation.ts";
import { runById } from "../records/run-queries.ts";
import { Sightings } from "./sightings.ts";
import { Submission } from "./submission.ts";
import { Waits } from "./waits.ts";

/** Category of an attempt whose job could not begin. */
const notStarted = "not-started" satisfies FailureCategory;

/**
 * The attempts under way, between the log and the executor. What is seen here becomes events only when the dispatcher
 * writes them, and is kept until it has: a transaction that fails loses nothing.
 */
export class LiveAttempts {
  readonly #lab: Lab;
  readonly #preparation: Preparation;
  readonly #metrics: MetricIngest;
  readonly #conclusions: Conclusions;
  readonly #checkpoints: Checkpoints;
  /** What they are given of other runs. */
  readonly deliveries: Deliveries;
  /** Why those of them wait that do. */
  readonly waits: Waits;
  readonly #interruptions: Interruptions;
  readonly #live = new Map<string, Live>();
  /** Attempts that the executor says have changed. */
  readonly #changed = new Set<string>();
  readonly #submission: Submission;
  readonly #observation: Observation;
  readonly #cancelling = new Set<string>();
  /** Ids of computes where something has to be done that had not to be done at their last turn. */
  readonly #withNews = new Set<string>();
  readonly #sightings = new Sightings();

  /** @param onConcluded called when something that was waited for is there */
  constructor(lab: Lab, preparation: Preparation, onConcluded: () => void) {
    this.#lab = lab;
    this.#preparation = preparation;
    this.#metrics = new MetricIngest(lab);
    this.#checkpoints = new Checkpoints(lab);
    this.#interruptions = new Interruptions(lab.store);
    this.#conclusions = new Conclusions(lab, this.#metrics, this.#interruptions, onConcluded);
    this.waits = new Waits(lab.store);
    this.deliveries = new Deliveries(lab, onConcluded);
    this.#submission = new Submission({
      preparation,
      checkpoints: this.#checkpoints,
      deliveries: this.deliveries,
      conclusions: this.#conclusions,
      sightings: this.#sightings,
      liveOf: (attempt) => this.#live.get(attempt),
    });
    this.#observation = new Observation({
      lab,
      preparation,
      conclusions: this.#conclusions,
      sightings: this.#sightings,
      submission: this.#submission,
    });
  }

  /**
   * Takes over what an earlier daemon left. Nothing is assumed about an attempt whose start may or may not have
   * happened: the executor is asked first, and says `unclaimed` when it has to be handed over.
   *
   * @param isOurs whether a compute is driven by this daemon, by its id
   */
  async adopt(isOurs: (computeId: string) => boolean): Promise<void> {
    const { db } = this.#lab.store;
    const present = await liveAttempts(db);
    const found = present.filter(({ id, compute_id }) => isOurs(compute_id) && !this.#live.has(id));
    for (const attempt of this.#lab.driving.isShared ? await bringHere(this.#lab, this.#preparation, found) : found) {
      const [run, experiment] = [await runById(db, attempt.run_id), await experimentById(db, attempt.experiment_id)];
      await this.#lab.lanes.reopen(attempt.compute_id);
      this.#live.set(attempt.id, { attempt, run, experiment });
      if (run.state !== "active" || run.current_attempt !== attempt.id) this.#cancelling.add(attempt.id);
    }
    const underWay = new Set(present.map(({ id }) => id));
    await this.waits.adopt(underWay);
    await this.#interruptions.adopt(underWay);
    // What another daemon cancelled while this was read was not for these yet.
    for (const { id, run_id } of this.#lab.driving.isShared ? found : []) {
      const run = await runById(db, run_id);
      if (run.state !== "active" || run.current_attempt !== id) this.#cancelling.add(id);
    }
  }

  /** Whether an attempt is among those of this daemon. */
  has(attempt: string): boolean {
    return this.#live.has(attempt);
  }

  /** Whether nothing of what is under way on a compute is being concluded. */
  canLeave(lane: Lane): boolean {
    return !this.#idsOn(lane).some((id) => this.#conclusions.has(id) || this.#conclusions.isUnderWay(id));
  }

  /** Forgets what is under way on a compute that another daemon is to drive. */
  leave(lane: Lane): void {
    for (const id of this.#idsOn(lane)) this.#forget(id);
  }

  #idsOn(lane: Lane): string[] {
    return [...this.#live.values()].flatMap(({ attempt }) => (attempt.compute_id === lane.id ? attempt.id : []));
  }

  /** The log says that an attempt is over, and this daemon has not concluded so: a person did. */
  heardEnd(id: string): void {
    if (this.#live.has(id) && !this.#conclusions.has(id)) this.#forget(id);
  }

  #forget(id: string): void {
    const live = this.#live.get(id);
    if (live !== undefined) this.deliveries.forget(live.attempt);
    this.#live.delete(id);
    this.#sightings.forget(id);
    this.#changed.delete(id);
    this.#cancelling.delete(id);
    this.#submission.forget(id);
    this.#metrics.forget(id);
    this.#conclusions.forget(id);
    this.#checkpoints.forget(id);
    this.#interruptions.forget(id);
  }

  get size(): number {
    return this.#live.size;
  }

  get ended(): readonly Ended[] {
    return this.#conclusions.ended;
  }

  /** Attempts that hold their lease: all that are not known to have ended. */
  holding(): Live[] {
    return [...this.#live.values()].filter(({ attempt }) => !this.#conclusions.has(attempt.id));
  }

  /**
   * Attempts that hold their part of a machine. One whose job has ended gives it back while its artifacts are hashed;
   * of those, a few do at a time, so that hashing never takes the machine from what runs.
   */
  leased(): Live[] {
    const given = this.#conclusions.givenBack();
    return this.holding().filter(({ attempt }) => !given.has(attempt.id));
  }

  /** Attempts whose jobs have ended and whose outputs are being read. */
  get collecting(): ReadonlySet<string> {
    return this.#conclusions.underWay;
  }

  /** Those of {@link LiveAttempts.holding} on one compute. */
  #on(lane: Lane): Live[] {
    return this.holding().filter(({ attempt }) => attempt.compute_id === lane.id);
  }

  /** What attempts on a compute use of what was staged there, as they were handed over: absolute paths there. */
  stagedFor(lane: Lane): string[] {
    return [...new Set(this.#on(lane).flatMap((live) => directoryOf(live).readSpec()?.staged ?? []))];
  }

  /** Whether anything is under way on a compute. */
  uses(lane: Lane): boolean {
    return this.#on(lane).length > 0;
  }

  /** Why a compute is to be asked. */
  urgencyOf(lane: Lane): Urgency {
    if (this.#withNews.has(lane.id)) return "news";
    const hasWork = this.#on(lane).some(
      ({ attempt: { id } }) => this.#submission.has(id) || this.#cancelling.has(id) || this.#changed.has(id),
    );
    return hasWork ? "work" : "look";
  }

  /** The compute is being asked. */
  takeNews(lane: Lane): void {
    this.#withNews.delete(lane.id);
  }

  /** Attempts that the log intends to start. */
  add(intended: readonly Live[]): void {
    for (const live of intended) {
      this.#live.set(live.attempt.id, live);
      this.#submission.add(live.attempt.id);
      this.#withNews.add(live.attempt.compute_id);
    }
  }

  noteChange(attempt: string): void {
    this.#changed.add(attempt);
    const live = this.#live.get(attempt);
    if (live !== undefined) this.#withNews.add(live.attempt.compute_id);
  }

  cancelRun(runId: string): void {
    for (const { attempt } of this.#live.values()) {
      if (attempt.run_id !== runId) continue;
      this.#cancelling.add(attempt.id);
      this.#withNews.add(attempt.compute_id);
    }
  }

  /** Asks a compute about its attempts that changed, or about all of them. */
  async observe(lane: Lane, all: boolean): Promise<void> {
    const asked = this.#on(lane).filter(
      ({ attempt }) =>
        (all || this.#changed.has(attempt.id)) &&
        !this.#submission.has(attempt.id) &&
        !this.#conclusions.isUnderWay(attempt.id),
    );
    for (const { attempt } of asked) this.#changed.delete(attempt.id);
    if (asked.length === 0) return;
    const statuses = await lane.executor.status(asked.map(handleOf));
    const ids = asked.map(({ attempt }) => attempt.id);
    if (!lane.isPlaced) {
      const attempts = asked.map(({ attempt }) => attempt);
      await this.#interruptions.note(attempts, statuses, Date.now());
      if (await this.waits.note(ids, statuses)) lane.stir();
    }
    await Promise.all(asked.map((live) => this.#observation.see(live, statuses.get(live.attempt.id))));
  }

  /** Ends the copying of checkpoints; the next daemon goes on with it. */
  async stop(): Promise<void> {
    await this.#checkpoints.stop();
  }

  /** Waits for what is being written of attempts that have ended. */
  async settle(): Promise<void> {
    await this.#conclusions.settle();
    await this.deliveries.stop();
  }

  /** What was seen and is to be written. Hand the same value to {@link LiveAttempts.written} when it is. */
  news(): { events: DomainEvent[]; ended: readonly Ended[] } {
    return { events: this.#sightings.events, ended: this.ended };
  }

  /** Forgets what the log has now. */
  written({ events, ended }: { events: readonly DomainEvent[]; ended: readonly Ended[] }): void {
    this.#sightings.written(events);
    for (const { live, outcome } of ended) {
      this.#forget(live.attempt.id);
      if (outcome.category === notStarted) this.#doubtStaged(live);
    }
  }

  /** An attempt found nothing of what was made ready for it: somebody has emptied the disk of its machine. */
  #doubtStaged({ attempt, experiment }: Live): void {
    this.#preparation.forget(experiment.id, attempt.compute_id);
    this.deliveries.doubt(attempt);
  }

  /** See {@link Submission.submit}. */
  submit(lane: Lane, isPrepared: (experiment: ExperimentRecord) => Promise<boolean>): Promise<void> {
    return this.#submission.submit(lane, isPrepared);
  }

  /**
   * Ends what has not started on a compute that cannot be written, so that it is tried elsewhere. What a submission left
   * half written there is not claimed and never started; a clean-up removes it.
   */
  async takeBack(lane: Lane, failure: HostStorageError): Promise<void> {
    const waiting = this.#on(lane).filter(
      ({ attempt: { id, state } }) =>
        (state === "queued" || state === "staging") && !this.#conclusions.isUnderWay(id) && !this.#cancelling.has(id),
    );
    if (waiting.length === 0) return;
    const statuses = await lane.executor.status(waiting.map(handleOf));
    for (const live of waiting) {
      if (statuses.get(live.attempt.id)?.state !== "unclaimed") continue;
      this.#submission.forget(live.attempt.id);
      this.#conclusions.withoutStart(live, failure);
    }
  }

  async cancel(lane: Lane): Promise<void> {
    const handles = [...this.#cancelling].flatMap((id) => {
      const live = this.#live.get(id);
      if (live === undefined) this.#cancelling.delete(id);
      return live?.attempt.compute_id === lane.id ? [handleOf(live)] : [];
    });
    if (handles.length === 0) return;
    // A job that was not handed over is withdrawn by its executor, and then seen as gone.
    for (const handle of handles) this.#submission.forget(handle.attempt);
    lane.stir();
    await lane.executor.cancel(handles);
    for (const handle of handles) this.#cancelling.delete(handle.attempt);
  }

  async ingestMetrics(lane: Lane): Promise<void> {
    await this.#metrics.ingest(lane.executor, this.#on(lane).map(handleOf));
  }
}
