import type { ExperimentRecord } from "../../domain/records.ts";
import type { LiveAttempts } from "../attempts/live-attempts.ts";
import type { Live } from "../attempts/live.ts";
import type { Lab } from "../lab/lab.ts";
import { lastComputes } from "../records/attempt-queries.ts";
import { chooseRuns, type Candidate, type Holding, type WaitingRuns } from "./choice.ts";
import { LearntNeeds } from "./learnt.ts";
import type { ReadinessCheck } from "./readiness.ts";
import type { ReadyQueues } from "./ready-queue.ts";
import type { Sharing } from "./sharing.ts";
import { heldByTools } from "./tool-places.ts";

/** Runs of one experiment that are started in one cycle, at most. */
const mostStarts = 64;

const noComputes: ReadonlyMap<string, string> = new Map();

/** Finds the runs that may start now, and where. */
export class Candidates {
  readonly #lab: Lab;
  readonly #queues: ReadyQueues;
  readonly #attempts: LiveAttempts;
  readonly #readiness: ReadinessCheck;
  readonly #sharing: Sharing;
  readonly #learnt: LearntNeeds;

  constructor(lab: Lab, queues: ReadyQueues, attempts: LiveAttempts, readiness: ReadinessCheck, sharing: Sharing) {
    this.#lab = lab;
    this.#queues = queues;
    this.#attempts = attempts;
    this.#readiness = readiness;
    this.#sharing = sharing;
    this.#learnt = new LearntNeeds(lab.store.db);
  }

  /** A run of the experiment ended: what its arms need is read again. */
  forgetLearnt(experiment: ExperimentRecord): void {
    this.#learnt.forget(experiment);
  }

  /**
   * Runs that may start now and fit, fairly over the experiments; they leave their queues. What can never start is held.
   *
   * @param now epoch milliseconds
   */
  async choose(experiments: readonly ExperimentRecord[], now: number): Promise<Candidate[]> {
    const holding = this.#attempts.holding();
    const elsewhere = await this.#sharing.heldElsewhere();
    // A run whose last attempt is still being ended waits until that is over.
    const ending = new Set([...holding.map(({ run }) => run.id), ...elsewhere.map(({ run_id }) => run_id)]);
    const waiting: WaitingRuns[] = [];
    for (const experiment of experiments) {
      const runs = await this.#waiting(experiment, holding, ending, now);
      if (runs !== null) waiting.push(runs);
    }
    if (waiting.length === 0) return [];
    const held = [...this.#held(this.#attempts.leased()), ...elsewhere, ...(await heldByTools(this.#lab.store.db))];
    const { chosen, impossible } = chooseRuns(held, waiting);
    for (const candidate of chosen) this.#queues.of(candidate.experiment.id)?.take(candidate.runId);
    for (const { experiment, reason } of impossible) {
      await this.#readiness.hold(experiment, "compute", `a run ${reason}`);
    }
    return chosen;
  }

  /** What of an experiment waits for a place, and where it may run; null if nothing does, or if it may run nowhere. */
  async #waiting(
    experiment: ExperimentRecord,
    holding: readonly Live[],
    ending: ReadonlySet<string>,
    now: number,
  ): Promise<WaitingRuns | null> {
    const { db } = this.#lab.store;
    const queue = this.#queues.of(experiment.id);
    if (queue === undefined || !this.#readiness.concerns(experiment)) return null;
    await queue.refill(db, experiment, now);
    if (queue.empty) return null;
    const readiness = await this.#readiness.of(experiment, holding);
    if (readiness.options.length === 0) return null;
    const next = queue.peek(mostStarts + ending.size).filter((id) => !ending.has(id));
    const runIds = await this.#sharing.withNeedsHere(experiment, next);
    if (runIds.length === 0 && next.length > 0 && readiness.complete) {
      await this.#readiness.hold(experiment, "compute", await this.#sharing.whyNoneHere(next));
      return null;
    }
    const active = holding.filter((live) => live.experiment.id === experiment.id).length;
    const tried = readiness.options.length > 1 ? await lastComputes(db, runIds) : noComputes;
    const learnt = await this.#learnt.of(experiment, runIds);
    return { experiment, runIds, tried, learnt, active, ...readiness };
  }

  #held(leased: readonly Live[]): Holding[] {
    return leased.map(({ attempt, experiment }) => ({
      ...attempt.lease,
      attempt: attempt.id,
      repository: experiment.source.repository,
      machine: this.#lab.lanes.get(attempt.compute_id)?.machine ?? attempt.compute_id,
      compute_id: attempt.compute_id,
    }));
  }
}
