import type { JobSpec } from "../../compute/attempt/job.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import type { Checkpoints, Start } from "./checkpoints.ts";
import type { Conclusions } from "./conclusions.ts";
import type { Deliveries } from "../computes/deliveries.ts";
import { jobOf } from "./job.ts";
import type { Lane } from "../lab/lane.ts";
import type { Live } from "./live.ts";
import type { Preparation } from "../computes/preparation.ts";
import type { Sightings } from "./sightings.ts";

interface SubmissionParts {
  preparation: Preparation;
  checkpoints: Checkpoints;
  deliveries: Deliveries;
  conclusions: Conclusions;
  sightings: Sightings;
  /** An attempt under way by its id. */
  liveOf: (attempt: string) => Live | undefined;
}

/** Hands over to executors what the log intends to start, as soon as all that it is given is there. */
export class Submission {
  readonly #preparation: Preparation;
  readonly #checkpoints: Checkpoints;
  readonly #deliveries: Deliveries;
  readonly #conclusions: Conclusions;
  readonly #sightings: Sightings;
  readonly #liveOf: (attempt: string) => Live | undefined;
  /** Intended in the log, and not handed to the executor. */
  readonly #waiting = new Set<string>();

  constructor({ preparation, checkpoints, deliveries, conclusions, sightings, liveOf }: SubmissionParts) {
    this.#preparation = preparation;
    this.#checkpoints = checkpoints;
    this.#deliveries = deliveries;
    this.#conclusions = conclusions;
    this.#sightings = sightings;
    this.#liveOf = liveOf;
  }

  add(attempt: string): void {
    this.#waiting.add(attempt);
  }

  has(attempt: string): boolean {
    return this.#waiting.has(attempt);
  }

  forget(attempt: string): void {
    this.#waiting.delete(attempt);
  }

  /**
   * Hands over what is intended for a compute.
   *
   * @param isPrepared says whether an experiment is ready there, and sees that it will be
   */
  async submit(lane: Lane, isPrepared: (experiment: ExperimentRecord) => Promise<boolean>): Promise<void> {
    const ready: Live[] = [];
    for (const id of this.#waiting) {
      const live = this.#liveOf(id);
      if (live === undefined) this.#waiting.delete(id);
      else if (live.attempt.compute_id !== lane.id || !(await isPrepared(live.experiment))) continue;
      else if (this.#isGiven(lane, live)) ready.push(live);
    }
    if (ready.length === 0) return;
    const starts = await this.#checkpoints.find(lane, ready);
    const startable = ready.filter(({ attempt }) => starts.has(attempt.id));
    for (const live of ready) if (!startable.includes(live)) this.#sightings.staging(live);
    if (startable.length === 0) return;
    lane.stir();
    const handles = await lane.executor.submit(await this.#jobsOf(lane, startable, starts));
    const submitted = new Map(handles.map(({ attempt, job }) => [attempt, job ?? null]));
    for (const live of startable) {
      this.#waiting.delete(live.attempt.id);
      const job = submitted.get(live.attempt.id);
      if (job !== undefined) this.#sightings.submitted(live, job);
    }
  }

  /** Whether all that an attempt is given of other runs is there. What cannot be brought there ends the attempt. */
  #isGiven(lane: Lane, live: Live): boolean {
    const failure = this.#deliveries.failure(live.attempt);
    if (failure === null) return this.#deliveries.isThere(lane, live.attempt);
    this.#waiting.delete(live.attempt.id);
    this.#conclusions.withoutStart(live, failure);
    return false;
  }

  async #jobsOf(lane: Lane, ready: readonly Live[], starts: ReadonlyMap<string, Start>): Promise<JobSpec[]> {
    const attemptsRoot = await lane.executor.attemptsRoot();
    return ready.map((live) => {
      const prepared = this.#preparation.get(live.experiment.id, lane.id);
      if (prepared === undefined) throw new Error(`${live.experiment.id} is not prepared`);
      const resume = starts.get(live.attempt.id) ?? null;
      const given = this.#deliveries.paths(lane, live.attempt);
      return jobOf({ ...live, prepared, given, attemptsRoot, resume, lane });
    });
  }
}
