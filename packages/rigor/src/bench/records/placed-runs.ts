import type { JoinBuilder, Kysely } from "kysely";
import type { Measurement } from "../../domain/experiment.ts";
import type { PlacementRecord, ResultRecord, RunRecord } from "../../domain/records.ts";
import { decodeRow, type Database } from "../../store/tables.ts";

/** Runs at their places with the results that count: what decisions, results, lists and exports are made from. */

/** The query behind them all, to be narrowed. */
export function runsAtPlaces(db: Kysely<Database>) {
  return db.selectFrom("placements").innerJoin("runs", "runs.id", "placements.run_id");
}

/** What joins runs with the result that counts: one only while its run is done. */
export function theirResult(join: JoinBuilder<Database, "runs" | "results">) {
  return join.onRef("results.attempt_id", "=", "runs.result_attempt").on("runs.state", "=", "done");
}

/** A result, and the attempt that it is of. */
interface PlacedResult extends Pick<ResultRecord, "metrics" | "inputs_hash" | "artifacts"> {
  /** The experiment whose commit it was made from. */
  made_for: string;
  host: string;
  finished_at: string | null;
}

export interface PlacedRun
  extends
    Pick<PlacementRecord, "run_id" | "arm" | "task" | "grid" | "seed" | "stages" | "in_final_stage">,
    Pick<RunRecord, "state" | "reason" | "parameters"> {
  result: PlacedResult | null;
}

/** All runs of an experiment in its order. */
export async function placedRuns(db: Kysely<Database>, experimentId: string): Promise<PlacedRun[]> {
  const rows = await runsAtPlaces(db)
    .leftJoin("results", theirResult)
    .leftJoin("attempts", "attempts.id", "results.attempt_id")
    .select([
      "placements.run_id",
      "placements.arm",
      "placements.task",
      "placements.grid",
      "placements.seed",
      "placements.stages",
      "placements.in_final_stage",
      "runs.state",
      "runs.reason",
      "runs.parameters",
      "results.metrics",
      "results.inputs_hash",
      "results.artifacts",
      "attempts.experiment_id as made_for",
      "attempts.host",
      "attempts.finished_at",
    ])
    .where("placements.experiment_id", "=", experimentId)
    .orderBy("placements.position")
    .execute();
  return rows.map(({ metrics, inputs_hash, artifacts, made_for, host, finished_at, ...row }) => ({
    ...decodeRow("runs", decodeRow("placements", row)),
    result:
      metrics === null || artifacts === null || made_for === null || host === null
        ? null
        : { ...decodeRow("results", { metrics, artifacts }), inputs_hash, made_for, host, finished_at },
  }));
}

/** Every recorded value of runs whose result counts. */
export function measurementsOf(runs: readonly PlacedRun[]): Measurement[] {
  return runs.flatMap(({ run_id, arm, task, grid, seed, result }) =>
    Object.entries(result?.metrics ?? {}).map(([metric, value]) => ({ run_id, arm, task, grid, seed, metric, value })),
  );
}

/** Runs whose result counts: how many were made for which experiment, by its id. */
export function makersOf(runs: readonly PlacedRun[]): Map<string, number> {
  const makers = new Map<string, number>();
  for (const { result } of runs) {
    if (result !== null) makers.set(result.made_for, (makers.get(result.made_for) ?? 0) + 1);
  }
  return makers;
}
