import type { ExperimentRecord } from "../../domain/records.ts";
import { Faults, UnpreparedJobs } from "../attempts/faults.ts";
import type { LiveAttempts } from "../attempts/live-attempts.ts";
import type { Ended } from "../attempts/live.ts";
import { rest } from "../computes/compute-steering.ts";
import type { Lab } from "../lab/lab.ts";
import type { ReadinessCheck } from "./readiness.ts";
import { askersOfHeld, startAnew, stuckExperiments } from "./stuck.ts";
import { takeBackUnpaid } from "./unpaid.ts";

/** Keeps what cannot succeed from being tried for ever, and what nobody will pay for from being started. */
export class Safeguards {
  readonly #lab: Lab;
  readonly #attempts: LiveAttempts;
  readonly #readiness: ReadinessCheck;
  readonly #faults: Faults;
  readonly #unprepared = new UnpreparedJobs();

  constructor(lab: Lab, attempts: LiveAttempts, readiness: ReadinessCheck) {
    this.#lab = lab;
    this.#attempts = attempts;
    this.#readiness = readiness;
    this.#faults = new Faults((id) => lab.lanes.get(id));
  }

  /** What follows for machines and experiments from attempts that have ended. */
  async afterEnds(ended: readonly Ended[]): Promise<void> {
    await this.#rest(ended);
    await this.#holdHopeless(ended);
  }

  /** What time alone brings about: jobs that nobody can start, budgets that are spent. */
  async look(experiments: readonly ExperimentRecord[]): Promise<void> {
    await this.#seeToStuck(experiments);
    await this.#seeToBudgets(experiments);
  }

  /** What cannot even be submitted, or writes into its own code, would only do so again. */
  async #holdHopeless(ended: readonly Ended[]): Promise<void> {
    for (const { experiment, reason } of this.#unprepared.note(ended)) {
      await this.#readiness.hold(experiment, "submission", reason);
    }
    for (const { live, outcome } of ended) {
      if (outcome.category === "submission") {
        await this.#readiness.holdRefused(live.experiment, live.attempt.compute, outcome.evidence);
      }
      if (outcome.code_changed) await this.#readiness.holdWriter(live.experiment, live.run.id);
    }
  }

  /** A machine on which one attempt after another fails by no fault of its run is left alone for a while. */
  async #rest(ended: readonly Ended[]): Promise<void> {
    for (const { lane, reason, seconds } of this.#faults.note(ended)) {
      if (lane.isOpen) await rest(this.#lab, "daemon", lane, reason, seconds);
    }
  }

  /**
   * What only a person can start is told to a person. What still is so after a person has seen to it is taken back, and
   * started anew by what holds now.
   */
  async #seeToStuck(experiments: readonly ExperimentRecord[]): Promise<void> {
    const waitOf = (attempt: string) => this.#attempts.waits.of(attempt);
    const holding = this.#attempts.holding();
    const askers = await askersOfHeld(this.#lab, holding, waitOf);
    for (const stuck of stuckExperiments(holding, waitOf, askers, experiments, Date.now())) {
      if (stuck.outdated.length === 0) await this.#readiness.hold(stuck.experiment, "stuck", stuck.reason);
      for (const run of await startAnew(this.#lab, stuck, Date.now())) this.#attempts.cancelRun(run);
    }
  }

  /** What waits at schedulers would start there without anybody looking at its budget. */
  async #seeToBudgets(experiments: readonly ExperimentRecord[]): Promise<void> {
    const holding = this.#attempts.holding();
    await this.#readiness.holdSpent(experiments, holding);
    const unpaid = await takeBackUnpaid(this.#lab, holding, (attempt) => this.#attempts.waits.of(attempt));
    for (const run of unpaid) this.#attempts.cancelRun(run);
  }
}
