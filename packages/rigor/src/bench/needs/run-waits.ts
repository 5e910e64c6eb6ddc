import type { Kysely } from "kysely";
import type { ExperimentState, RunState } from "../../domain/lifecycle.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { portions } from "../../store/portions.ts";
import type { Database } from "../../store/tables.ts";

/** A run that another one waits for. */
export interface AwaitedRun {
  folder: string;
  run_id: string;
  state: RunState;
}

/** What those of some runs wait for that are pending, by run. */
export async function awaitedRuns(db: Kysely<Database>, runIds: readonly string[]): Promise<Map<string, AwaitedRun[]>> {
  const awaited = new Map<string, AwaitedRun[]>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("needs")
      .innerJoin("runs", "runs.id", "needs.run_id")
      .innerJoin("runs as needed", "needed.id", "needs.needed")
      .select(["needs.run_id as waiting", "needs.folder", "needed.id as run_id", "needed.state"])
      .where("needs.run_id", "in", portion)
      .where("runs.state", "=", "pending")
      .where("needed.state", "!=", "done")
      .orderBy("needs.folder")
      .execute();
    for (const { waiting, ...run } of rows) awaited.set(waiting, [...(awaited.get(waiting) ?? []), run]);
  }
  return awaited;
}

/** Another experiment, runs of which some wait for. */
export interface AwaitedExperiment {
  /** NAME@VERSION */
  experiment: string;
  state: ExperimentState;
  /** Pending runs that wait for it. */
  runs: number;
}

/** The other experiments that pending runs of some wait for, by id. */
export async function awaitedExperiments(
  db: Kysely<Database>,
  experimentIds: readonly string[],
): Promise<Map<string, AwaitedExperiment[]>> {
  const awaited = new Map<string, AwaitedExperiment[]>();
  for (const portion of portions(experimentIds)) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("runs", "runs.id", "placements.run_id")
      .innerJoin("needs", "needs.run_id", "runs.id")
      .innerJoin("runs as needed", "needed.id", "needs.needed")
      .innerJoin("experiments", "experiments.id", "needed.experiment_id")
      .select(({ fn }) => [
        "placements.experiment_id",
        "experiments.name",
        "experiments.version",
        "experiments.state",
        fn.count<number | string>("runs.id").distinct().as("runs"),
      ])
      .where("placements.experiment_id", "in", portion)
      .where("runs.state", "=", "pending")
      .where("needed.state", "!=", "done")
      .whereRef("needed.experiment_id", "!=", "placements.experiment_id")
      .groupBy(["placements.experiment_id", "experiments.name", "experiments.version", "experiments.state"])
      .execute();
    for (const { experiment_id: id, name, version, state, runs } of rows) {
      const one = { experiment: reference({ name, version }), state, runs: Number(runs) };
      awaited.set(id, [...(awaited.get(id) ?? []), one]);
    }
  }
  return awaited;
}
