import { databaseError, isEverywhere } from "../../store/errors.ts";
import { advanceExperiment } from "../experiments/advance.ts";
import type { Lab } from "../lab/lab.ts";
import { experimentById } from "../records/experiment-queries.ts";
import type { ReadinessCheck } from "./readiness.ts";

/** Experiments whose stage may be complete, until they were asked what comes next. */
export class NextSteps {
  readonly #lab: Lab;
  readonly #readiness: ReadinessCheck;
  readonly #considered = new Set<string>();

  constructor(lab: Lab, readiness: ReadinessCheck) {
    this.#lab = lab;
    this.#readiness = readiness;
  }

  consider(experimentId: string): void {
    this.#considered.add(experimentId);
  }

  /** Experiments without anything to start may have waited for one of these runs. */
  async considerAskers(runIds: readonly string[], idle: readonly string[]): Promise<void> {
    if (runIds.length === 0 || idle.length === 0) return;
    const rows = await this.#lab.store.db
      .selectFrom("placements")
      .select("experiment_id")
      .distinct()
      .where("run_id", "in", runIds)
      .where("experiment_id", "in", idle)
      .execute();
    for (const row of rows) this.#considered.add(row.experiment_id);
  }

  /** Asks, for experiments whose runs may all have ended, what comes next. */
  async take(isIdle: (experimentId: string) => boolean): Promise<void> {
    for (const id of [...this.#considered]) {
      if (isIdle(id) && this.#lab.driving.hasExperiment(id)) await this.#advance(id);
      this.#considered.delete(id);
    }
  }

  /** A fault of ours is told to the person who waits; a full disk, or a database that is lost, is waited for. */
  async #advance(id: string): Promise<void> {
    try {
      await advanceExperiment(this.#lab, id);
    } catch (error) {
      if (isEverywhere(databaseError(error))) throw error;
      this.#lab.log.error({ err: error, experiment: id }, "the experiment could not be taken further");
      const message = error instanceof Error ? error.message : String(error);
      const experiment = await experimentById(this.#lab.store.db, id);
      await this.#readiness.hold(experiment, "fault", `Rigor could not take it further: ${message}; see daemon.log`);
    }
  }
}
