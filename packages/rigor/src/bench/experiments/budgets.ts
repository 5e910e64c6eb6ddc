import type { Kysely } from "kysely";
import type { AttemptRecord, ExperimentRecord } from "../../domain/records.ts";
import type { Usage } from "../../domain/rules/experiment-rules.ts";
import { decodeRow, type Database, type InterruptedJobRow } from "../../store/tables.ts";
import { ranSeconds } from "../attempts/interruptions.ts";

const hour = 3_600;
/** How long a sum over ended attempts is trusted, in milliseconds. */
const freshMs = 2_000;

/** Seconds for which an experiment was running. @param now epoch milliseconds */
export function runningSeconds({ running }: Pick<ExperimentRecord, "running">, now: number): number {
  const present = running.since === null ? 0 : Math.max(0, now - Date.parse(running.since)) / 1_000;
  return running.seconds + present;
}

/** What experiments have used of their budgets. */
export class Budgets {
  readonly #db: Kysely<Database>;
  readonly #ended = new Map<string, { gpuSeconds: number; at: number }>();

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  /**
   * Cards count as they were asked for: which ones a scheduler gave is known to it alone.
   *
   * @param live attempts of the experiment that have not ended
   * @param now epoch milliseconds
   */
  async usage(
    experiment: ExperimentRecord,
    live: readonly Pick<AttemptRecord, "id" | "resources" | "started_at">[],
    now: number,
  ): Promise<Usage> {
    const gpuSeconds = experiment.budget.gpu_hours === null ? 0 : await this.#gpuSeconds(experiment.id, live, now);
    return { gpu_hours: gpuSeconds / hour, wall: runningSeconds(experiment, now) };
  }

  async #gpuSeconds(
    experimentId: string,
    live: readonly Pick<AttemptRecord, "id" | "resources" | "started_at">[],
    now: number,
  ): Promise<number> {
    const interrupted =
      live.length === 0 ? new Map<string, InterruptedJobRow>() : await this.#interruptedJobs(experimentId);
    const running = live.map(
      (attempt) => attempt.resources.gpus * ranSeconds(attempt, interrupted.get(attempt.id), now),
    );
    return running.reduce((sum, seconds) => sum + seconds, await this.#endedGpuSeconds(experimentId));
  }

  async #interruptedJobs(experimentId: string): Promise<Map<string, InterruptedJobRow>> {
    const rows = await this.#db
      .selectFrom("interrupted_jobs")
      .innerJoin("attempts", "attempts.id", "interrupted_jobs.attempt_id")
      .selectAll("interrupted_jobs")
      .where("attempts.experiment_id", "=", experimentId)
      .execute();
    return new Map(rows.map((row) => [row.attempt_id, row]));
  }

  async #endedGpuSeconds(experimentId: string): Promise<number> {
    const known = this.#ended.get(experimentId);
    if (known !== undefined && performance.now() - known.at < freshMs) return known.gpuSeconds;
    const rows = await this.#db
      .selectFrom("attempts")
      .select(["resources", "duration"])
      .where("experiment_id", "=", experimentId)
      .where("duration", "is not", null)
      .execute();
    const gpuSeconds = rows.reduce(
      (sum, row) => sum + (row.duration ?? 0) * decodeRow("attempts", row).resources.gpus,
      0,
    );
    this.#ended.set(experimentId, { gpuSeconds, at: performance.now() });
    return gpuSeconds;
  }
}
