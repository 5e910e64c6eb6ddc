import type { Kysely } from "kysely";
import type { Handle } from "../compute/executors/executor.ts";
import { RigorError } from "../domain/errors.ts";
import type { RunState } from "../domain/lifecycle.ts";
import type { AttemptRecord, ExperimentRecord, PlacementRecord, ResultRecord, RunRecord } from "../domain/records.ts";
import { emptyTally, type Tally } from "../domain/rules/experiment-rules.ts";
import { decodeRow, type Database } from "../store/tables.ts";

/** Reads of the tables that several parts of the bench need. Each takes the database or a transaction. */

type Db = Kysely<Database>;

const keysPerQuery = 500;

export async function experimentsNamed(db: Db, name: string): Promise<ExperimentRecord[]> {
  const rows = await db
    .selectFrom("experiments")
    .selectAll()
    .where("name", "=", name)
    .orderBy("version", "desc")
    .execute();
  return rows.map((row) => decodeRow("experiments", row));
}

export async function experimentById(db: Db, id: string): Promise<ExperimentRecord> {
  const row = await db.selectFrom("experiments").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new RigorError("not-found", `There is no experiment ${id}.`);
  return decodeRow("experiments", row);
}

export async function experimentsInState(db: Db, states: ExperimentRecord["state"][]): Promise<ExperimentRecord[]> {
  const rows = await db
    .selectFrom("experiments")
    .selectAll()
    .where("state", "in", states)
    .orderBy("created_at")
    .execute();
  return rows.map((row) => decodeRow("experiments", row));
}

/** Ids of the experiments that are running. */
export async function runningExperiments(db: Db): Promise<Set<string>> {
  const rows = await db.selectFrom("experiments").select("id").where("state", "=", "running").execute();
  return new Set(rows.map(({ id }) => id));
}

/** The states of those of the given runs that exist. */
export async function runStates(db: Db, ids: readonly string[]): Promise<Map<string, RunState>> {
  const states = new Map<string, RunState>();
  for (let start = 0; start < ids.length; start += keysPerQuery) {
    const rows = await db
      .selectFrom("runs")
      .select(["id", "state"])
      .where("id", "in", ids.slice(start, start + keysPerQuery))
      .execute();
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

/** Experiments that a person would take for the same one: of this name, or from the same file of a repository. */
export async function relatedExperiments(
  db: Db,
  { name, file, repository }: { name: string; file: string; repository: string },
): Promise<ExperimentRecord[]> {
  const rows = await db
    .selectFrom("experiments")
    .selectAll()
    .where(({ eb, or }) => or([eb("name", "=", name), eb("file", "=", file)]))
    .execute();
  return rows
    .map((row) => decodeRow("experiments", row))
    .filter((one) => one.name === name || one.source.repository === repository);
}

/** Results of invalid runs, by run: what a corrected check may make count again. */
export async function invalidResults(
  db: Db,
  runIds: readonly string[],
): Promise<Map<string, Pick<ResultRecord, "metrics" | "artifacts"> & { reason: RunRecord["reason"] }>> {
  const found = new Map<string, Pick<ResultRecord, "metrics" | "artifacts"> & { reason: RunRecord["reason"] }>();
  for (let start = 0; start < runIds.length; start += keysPerQuery) {
    const rows = await db
      .selectFrom("runs")
      .innerJoin("results", "results.attempt_id", "runs.result_attempt")
      .select(["runs.id", "runs.reason", "results.metrics", "results.artifacts"])
      .where("runs.id", "in", runIds.slice(start, start + keysPerQuery))
      .where("runs.state", "=", "invalid")
      .execute();
    for (const { id, reason, ...result } of rows) {
      found.set(id, { ...decodeRow("results", result), reason: JSON.parse(reason ?? "null") as RunRecord["reason"] });
    }
  }
  return found;
}

/** Those of the runs that another experiment, which is not archived, asks for too. */
export async function sharedElsewhere(db: Db, runIds: readonly string[], experimentId: string): Promise<Set<string>> {
  const shared = new Set<string>();
  for (let start = 0; start < runIds.length; start += keysPerQuery) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("experiments", "experiments.id", "placements.experiment_id")
      .select("placements.run_id")
      .where("placements.run_id", "in", runIds.slice(start, start + keysPerQuery))
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
  for (let start = 0; start < runIds.length; start += keysPerQuery) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("experiments", "experiments.id", "placements.experiment_id")
      .select("placements.run_id")
      .distinct()
      .where("placements.run_id", "in", runIds.slice(start, start + keysPerQuery))
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

export async function attemptsOfRun(db: Db, runId: string): Promise<AttemptRecord[]> {
  const rows = await db.selectFrom("attempts").selectAll().where("run_id", "=", runId).orderBy("number").execute();
  return rows.map((row) => decodeRow("attempts", row));
}

/** Attempts that have not ended: what is under way, and what holds leases. */
export async function liveAttempts(db: Db): Promise<AttemptRecord[]> {
  const rows = await db
    .selectFrom("attempts")
    .selectAll()
    .where("state", "in", ["queued", "staging", "submitted", "running"])
    .execute();
  return rows.map((row) => decodeRow("attempts", row));
}

/**
 * Earlier tries of runs on one compute, for each of their present attempts, the newest first: those whose checkpoints
 * may be resumed from.
 */
export async function earlierAttempts(
  db: Db,
  computeId: string,
  present: readonly { attempt: Pick<AttemptRecord, "id">; run: Pick<RunRecord, "id" | "resume_from"> }[],
): Promise<Map<string, Handle[]>> {
  const rows = await db
    .selectFrom("attempts")
    .select(["id", "run_id", "number"])
    .where("compute_id", "=", computeId)
    .where(
      "run_id",
      "in",
      present.map(({ run }) => run.id),
    )
    .orderBy("number", "desc")
    .execute();
  const byRun = Map.groupBy(rows, (row) => row.run_id);
  return new Map(
    present.map(({ attempt, run }) => {
      const earlier = (byRun.get(run.id) ?? []).filter((row) => row.id !== attempt.id && row.number >= run.resume_from);
      return [attempt.id, earlier.map((row) => ({ attempt: row.id, run: run.id, reference: "" }))];
    }),
  );
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

/** Experiments for which runs of this one were tried: itself, and those that it shares runs with. */
export async function makerIds(db: Db, experimentId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("placements")
    .innerJoin("attempts", "attempts.run_id", "placements.run_id")
    .select("attempts.experiment_id")
    .distinct()
    .where("placements.experiment_id", "=", experimentId)
    .execute();
  return rows.map((row) => row.experiment_id);
}

/** Those of the given runs that are done or under way: how many are made for which experiment, by its id. */
export async function makersOfRuns(db: Db, runIds: readonly string[]): Promise<Map<string, number>> {
  const makers = new Map<string, number>();
  for (let start = 0; start < runIds.length; start += keysPerQuery) {
    const rows = await db
      .selectFrom("runs")
      .innerJoin("attempts", "attempts.id", "runs.current_attempt")
      .select(({ fn }) => ["attempts.experiment_id", fn.countAll<number | string>().as("count")])
      .where("runs.id", "in", runIds.slice(start, start + keysPerQuery))
      .where("runs.state", "in", ["done", "active"])
      .groupBy("attempts.experiment_id")
      .execute();
    for (const row of rows) makers.set(row.experiment_id, (makers.get(row.experiment_id) ?? 0) + Number(row.count));
  }
  return makers;
}
