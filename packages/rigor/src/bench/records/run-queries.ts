import type { Kysely } from "kysely";
import { RigorError } from "../../domain/errors.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { ExperimentRecord, PlacementRecord, ResultRecord, RunRecord } from "../../domain/records.ts";
import { emptyTally, type Tally } from "../../domain/rules/experiment-rules.ts";
import { portions } from "../../store/portions.ts";
import { decodeRow, type Database } from "../../store/tables.ts";

/** Reads of runs that several parts of the bench need. Each takes the database or a transaction. */

type Db = Kysely<Database>;

/** The states of those of the given runs that exist. */
export async function runStates(db: Db, ids: readonly string[]): Promise<Map<string, RunState>> {
  const states = new Map<string, RunState>();
  for (const portion of portions(ids)) {
    const rows = await db.selectFrom("runs").select(["id", "state"]).where("id", "in", portion).execute();
    for (const row of rows) states.set(row.id, row.state);
  }
  return states;
}

export async function runsOfExperiment(db: Db, experimentId: string, states?: RunState[]): Promise<RunRecord[]> {
  let query = db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .selectAll("runs")
    .where("placements.experiment_id", "=", experimentId);
  if (states !== undefined) query = query.where("runs.state", "in", states);
  const rows = await query.orderBy("placements.position").execute();
  return rows.map((row) => decodeRow("runs", row));
}

/** Those of the given runs that exist. */
export async function runsById(db: Db, ids: readonly string[]): Promise<Map<string, RunRecord>> {
  const runs = new Map<string, RunRecord>();
  for (const portion of portions(ids)) {
    const rows = await db.selectFrom("runs").selectAll().where("id", "in", portion).execute();
    for (const row of rows) runs.set(row.id, decodeRow("runs", row));
  }
  return runs;
}

export async function runById(db: Db, id: string): Promise<RunRecord> {
  const row = await db.selectFrom("runs").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new RigorError("not-found", `There is no run ${id}.`);
  return decodeRow("runs", row);
}

/** Runs of the experiments' final stages that have given a result, whatever became of it. */
export async function judgedRuns(db: Db, experiments: readonly Pick<ExperimentRecord, "id">[]): Promise<Set<string>> {
  if (experiments.length === 0) return new Set();
  const rows = await db
    .selectFrom("placements")
    .innerJoin("results", "results.run_id", "placements.run_id")
    .select("placements.run_id")
    .distinct()
    .where(
      "placements.experiment_id",
      "in",
      experiments.map((one) => one.id),
    )
    .where("placements.in_final_stage", "=", 1)
    .execute();
  return new Set(rows.map((row) => row.run_id));
}

/** Those of some runs that had a result before a time, in ISO 8601. */
export async function measuredBefore(db: Db, runs: ReadonlySet<string>, time: string): Promise<Set<string>> {
  if (runs.size === 0) return new Set();
  const rows = await db
    .selectFrom("results")
    .select("run_id")
    .distinct()
    .where("run_id", "in", [...runs])
    .where("recorded_at", "<", time)
    .execute();
  return new Set(rows.map((row) => row.run_id));
}

type InvalidResult = Pick<ResultRecord, "metrics" | "artifacts"> & Pick<RunRecord, "arm" | "reason">;

/** Results of invalid runs, by run: what a corrected check may make count again. */
export async function invalidResults(db: Db, runIds: readonly string[]): Promise<Map<string, InvalidResult>> {
  const found = new Map<string, InvalidResult>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("runs")
      .innerJoin("results", "results.attempt_id", "runs.result_attempt")
      .select(["runs.id", "runs.arm", "runs.reason", "results.metrics", "results.artifacts"])
      .where("runs.id", "in", portion)
      .where("runs.state", "=", "invalid")
      .execute();
    for (const { id, arm, reason, ...result } of rows) {
      found.set(id, {
        ...decodeRow("results", result),
        arm,
        reason: JSON.parse(reason ?? "null") as RunRecord["reason"],
      });
    }
  }
  return found;
}

/** Those of the runs that another experiment, which is not archived, asks for too. */
export async function sharedElsewhere(db: Db, runIds: readonly string[], experimentId: string): Promise<Set<string>> {
  const shared = new Set<string>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("experiments", "experiments.id", "placements.experiment_id")
      .select("placements.run_id")
      .where("placements.run_id", "in", portion)
      .where("placements.experiment_id", "!=", experimentId)
      .where("experiments.state", "!=", "archived")
      .execute();
    for (const row of rows) shared.add(row.run_id);
  }
  return shared;
}

/** Those of the runs that an experiment, but for this one, waits for, or will once it is released. */
export async function wantedRuns(db: Db, runIds: readonly string[], besides = ""): Promise<Set<string>> {
  const wanted = new Set<string>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("experiments", "experiments.id", "placements.experiment_id")
      .select("placements.run_id")
      .distinct()
      .where("placements.run_id", "in", portion)
      .where("placements.experiment_id", "!=", besides)
      .where("experiments.state", "in", ["draft", "running", "deciding", "held"])
      .execute();
    for (const row of rows) wanted.add(row.run_id);
  }
  return wanted;
}

export async function placementsOfRun(db: Db, runId: string): Promise<PlacementRecord[]> {
  const rows = await db.selectFrom("placements").selectAll().where("run_id", "=", runId).execute();
  return rows.map((row) => decodeRow("placements", row));
}

/** How many runs of an experiment are in each state; of one stage, if it is given. */
export async function tallyOf(db: Db, experimentId: string, stage?: number): Promise<Tally> {
  const tally = emptyTally();
  if (stage === undefined) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("runs", "runs.id", "placements.run_id")
      .select(({ fn }) => ["runs.state", fn.countAll<number | string>().as("count")])
      .where("placements.experiment_id", "=", experimentId)
      .groupBy("runs.state")
      .execute();
    for (const row of rows) tally[row.state] = Number(row.count);
    return tally;
  }
  const rows = await db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .select(["placements.stages", "runs.state"])
    .where("placements.experiment_id", "=", experimentId)
    .execute();
  for (const row of rows) if (decodeRow("placements", row).stages.includes(stage)) tally[row.state] += 1;
  return tally;
}

/** Tallies of several experiments in one query, by id. */
export async function tallies(db: Db, experimentIds: readonly string[]): Promise<Map<string, Tally>> {
  const found = new Map(experimentIds.map((id) => [id, emptyTally()]));
  if (experimentIds.length === 0) return found;
  const rows = await db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .select(({ fn }) => ["placements.experiment_id", "runs.state", fn.countAll<number | string>().as("count")])
    .where("placements.experiment_id", "in", experimentIds)
    .groupBy(["placements.experiment_id", "runs.state"])
    .execute();
  for (const row of rows) {
    const tally = found.get(row.experiment_id);
    if (tally !== undefined) tally[row.state] = Number(row.count);
  }
  return found;
}
