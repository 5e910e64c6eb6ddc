import type { Kysely } from "kysely";
import { RigorError } from "../../domain/errors.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { portions } from "../../store/portions.ts";
import { decodeRow, type Database } from "../../store/tables.ts";

/** Reads of experiments that several parts of the bench need. Each takes the database or a transaction. */

type Db = Kysely<Database>;

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

/** The running experiments that ask for each of some runs, by the id of the run. */
export async function runningAskers(db: Db, runIds: readonly string[]): Promise<Map<string, string[]>> {
  const askers = new Map<string, string[]>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("placements")
      .innerJoin("experiments", "experiments.id", "placements.experiment_id")
      .select(["placements.run_id", "experiments.id"])
      .where("experiments.state", "=", "running")
      .where("placements.run_id", "in", portion)
      .execute();
    for (const { run_id, id } of rows) askers.set(run_id, [...(askers.get(run_id) ?? []), id]);
  }
  return askers;
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

/** The repository of each of some experiments. */
export async function repositoriesOf(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("experiments").select(["id", "source"]).where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, decodeRow("experiments", row).source.repository]));
}
