import type { Kysely } from "kysely";
import { RigorError } from "../../domain/errors.ts";
import { closest } from "../../domain/files/suggest.ts";
import type { ExperimentRecord, RunRecord } from "../../domain/records.ts";
import { shortId } from "../../domain/format/words.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import { experimentsNamed } from "./experiment-queries.ts";

type Db = Kysely<Database>;

const hexadecimal = /^[0-9a-f]{4,64}$/;

/**
 * The experiment that a person means: `NAME` is its newest version, `NAME@VERSION` that one, else the beginning of
 * an id.
 *
 * @throws RigorError `not-found` with the nearest name, or `ambiguous`.
 */
export async function findExperiment(db: Db, reference: string): Promise<ExperimentRecord> {
  const found = await tryFindExperiment(db, reference);
  if (found !== undefined) return found;
  const names = await db.selectFrom("experiments").select("name").distinct().execute();
  const near = closest(
    reference.replace(/@.*$/, ""),
    names.map((row) => row.name),
  );
  throw new RigorError("not-found", `There is no experiment ${reference}.`, {
    next: near === null ? "See `rigor list` for those that there are." : `Did you mean ${near}? See \`rigor list\`.`,
  });
}

export async function tryFindExperiment(db: Db, reference: string): Promise<ExperimentRecord | undefined> {
  const [, name = reference, version] = /^(.*)@(\d+)$/.exec(reference) ?? [];
  const named = await experimentsNamed(db, name);
  const wanted = version === undefined ? named[0] : named.find((one) => one.version === Number(version));
  if (wanted !== undefined) return wanted;
  if (!hexadecimal.test(reference)) return undefined;
  const rows = await db.selectFrom("experiments").selectAll().where("id", "like", `${reference}%`).limit(2).execute();
  if (rows.length > 1) throw ambiguous("experiment", reference);
  const [row] = rows;
  return row === undefined ? undefined : decodeRow("experiments", row);
}

/** The run whose id begins with the reference. @throws RigorError `not-found` or `ambiguous`. */
export async function findRun(db: Db, reference: string): Promise<RunRecord> {
  const rows = hexadecimal.test(reference)
    ? await db.selectFrom("runs").selectAll().where("id", "like", `${reference}%`).limit(2).execute()
    : [];
  if (rows.length > 1) throw ambiguous("run", reference);
  const [row] = rows;
  if (row !== undefined) return decodeRow("runs", row);
  throw new RigorError("not-found", `There is no run ${shortId(reference)}.`, {
    next: "Name a run by the beginning of its id (at least 4 digits); see `rigor list EXPERIMENT`.",
  });
}

function ambiguous(noun: string, reference: string): RigorError {
  return new RigorError("ambiguous", `More than one ${noun} begins with ${reference}.`, { next: "Give more digits." });
}
