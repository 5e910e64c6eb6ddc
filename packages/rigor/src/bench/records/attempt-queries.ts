import { existsSync } from "node:fs";
import type { Kysely } from "kysely";
import type { FailureCategory } from "../../compute/failures/failure-category.ts";
import type { AttemptRecord, RunRecord } from "../../domain/records.ts";
import { portions } from "../../store/portions.ts";
import { decodeRow, type Database } from "../../store/tables.ts";

/** Reads of attempts that several parts of the bench need. Each takes the database or a transaction. */

type Db = Kysely<Database>;

/** What is recorded of an attempt whose directory lies on another machine. */
export interface AttemptFate {
  state: AttemptRecord["state"];
  number: number;
  finished_at: string | null;
  run: Pick<RunRecord, "state" | "resume_from">;
  /** An experiment that is not archived asks for its run. */
  is_wanted: boolean;
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

/** Those of the attempts that have not ended: a person may have ended one that nobody could ask about. */
export async function openAttempts(db: Db, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db
    .selectFrom("attempts")
    .select("id")
    .where("id", "in", ids)
    .where("state", "in", ["queued", "staging", "submitted", "running"])
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** Those of the attempts whose files are on this machine. */
export async function attemptsHere(db: Db, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db.selectFrom("attempts").select(["id", "directory"]).where("id", "in", ids).execute();
  return new Set(rows.flatMap(({ id, directory }) => (existsSync(directory) ? id : [])));
}

/** What attempts hold that are under way anywhere. */
export async function heldAnywhere(
  db: Db,
): Promise<
  Pick<AttemptRecord, "id" | "run_id" | "experiment_id" | "compute_id" | "lease" | "resources" | "started_at">[]
> {
  const rows = await db
    .selectFrom("attempts")
    .select(["id", "run_id", "experiment_id", "compute_id", "lease", "resources", "started_at"])
    .where("state", "in", ["queued", "staging", "submitted", "running"])
    .execute();
  return rows.map((row) => decodeRow("attempts", row));
}

/** Category of an attempt that a person has ended because its machine is lost. */
export const givenUp = "given-up" satisfies FailureCategory;

/** An earlier try of a run. */
export type EarlierAttempt = Pick<AttemptRecord, "id" | "run_id" | "compute" | "compute_id">;

/**
 * Earlier tries of runs, for each of their present attempts, the newest first: those whose checkpoints may be resumed
 * from. Nobody waits for a machine that is lost for good.
 */
export async function earlierAttempts(
  db: Db,
  present: readonly { attempt: Pick<AttemptRecord, "id">; run: Pick<RunRecord, "id" | "resume_from"> }[],
): Promise<Map<string, EarlierAttempt[]>> {
  const rows = await db
    .selectFrom("attempts")
    .select(["id", "run_id", "number", "compute", "compute_id"])
    .where(
      "run_id",
      "in",
      present.map(({ run }) => run.id),
    )
    .where(({ eb, or }) => or([eb("category", "is", null), eb("category", "!=", givenUp)]))
    .orderBy("number", "desc")
    .execute();
  const byRun = Map.groupBy(rows, (row) => row.run_id);
  return new Map(
    present.map(({ attempt, run }) => {
      const earlier = (byRun.get(run.id) ?? []).filter((row) => row.id !== attempt.id && row.number >= run.resume_from);
      return [attempt.id, earlier];
    }),
  );
}

/** Run -> compute of its last try, for those that were tried before and may resume. */
export async function lastComputes(db: Db, runIds: readonly string[]): Promise<Map<string, string>> {
  if (runIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("attempts")
    .innerJoin("runs", "runs.id", "attempts.run_id")
    .select(["attempts.run_id", "attempts.compute_id"])
    .where("attempts.run_id", "in", runIds)
    .whereRef("attempts.number", ">=", "runs.resume_from")
    .orderBy("attempts.number")
    .execute();
  return new Map(rows.map((row) => [row.run_id, row.compute_id]));
}

/** What is recorded of attempts, by id: whether something may still need what they left. */
export async function fatesOfAttempts(db: Db, ids: readonly string[]): Promise<Map<string, AttemptFate>> {
  const fates = new Map<string, AttemptFate>();
  for (const portion of portions(ids)) {
    const rows = await db
      .selectFrom("attempts")
      .innerJoin("runs", "runs.id", "attempts.run_id")
      .select(["attempts.id", "attempts.number", "attempts.state", "attempts.finished_at"])
      .select(["runs.state as run_state", "runs.resume_from"])
      .select(({ exists, selectFrom }) =>
        exists(
          selectFrom("placements")
            .innerJoin("experiments", "experiments.id", "placements.experiment_id")
            .select("placements.run_id")
            .whereRef("placements.run_id", "=", "runs.id")
            .where("experiments.state", "!=", "archived"),
        ).as("is_wanted"),
      )
      .where("attempts.id", "in", portion)
      .execute();
    for (const { id, run_state, resume_from, is_wanted, ...row } of rows) {
      fates.set(id, { ...row, run: { state: run_state, resume_from }, is_wanted: Boolean(is_wanted) });
    }
  }
  return fates;
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
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("runs")
      .innerJoin("attempts", "attempts.id", "runs.current_attempt")
      .select(({ fn }) => ["attempts.experiment_id", fn.countAll<number | string>().as("count")])
      .where("runs.id", "in", portion)
      .where("runs.state", "in", ["done", "active"])
      .groupBy("attempts.experiment_id")
      .execute();
    for (const row of rows) makers.set(row.experiment_id, (makers.get(row.experiment_id) ?? 0) + Number(row.count));
  }
  return makers;
}
