import { randomUUID } from "node:crypto";
import { sql, type Kysely } from "kysely";
import { RigorError } from "../domain/errors.ts";
import { lockForWriting } from "./dialects/postgres.ts";
import type { DialectName, Migration } from "./migrations/migration.ts";
import { migrations } from "./migrations/migrations.ts";
import { tableNames, tables, type Database } from "./tables.ts";

/**
 * Brings the schema up to date in one transaction; a new database gets its origin with it. Doing it again changes
 * nothing.
 *
 * @param known the migrations to know, in order
 * @throws RigorError `database` if the schema is newer than these
 */
export async function migrate(
  db: Kysely<Database>,
  dialect: DialectName,
  known: readonly Migration[] = migrations,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    // Two processes may open a database at once: the second one waits, here or at `begin`, and finds it made.
    if (dialect === "postgres") await lockForWriting(trx);
    await trx.schema
      .createTable("meta")
      .ifNotExists()
      .addColumn("key", "text", (column) => column.primaryKey())
      .addColumn("value", "text", (column) => column.notNull())
      .execute();
    const found = Number((await readMeta(trx, "schema_version")) ?? 0);
    refuseNewer(found, "the database", known.length);
    if (found === known.length) return;
    for (const migration of known.slice(found)) await migration.up(trx as unknown as Kysely<unknown>, dialect);
    await writeMeta(trx, "schema_version", String(known.length));
    if ((await readMeta(trx, "origin")) === undefined) await writeMeta(trx, "origin", randomUUID());
  });
}

/** @throws RigorError `database` when the schema is newer than this program, or its number is none */
export function refuseNewer(found: number, where: string, known: number = migrations.length): void {
  if (Number.isInteger(found) && found >= 0 && found <= known) return;
  throw new RigorError(
    "database",
    `${where} has schema ${found}, made by a newer Rigor; this one knows ${known}. It was left untouched.`,
    { next: "Install the newer version of Rigor." },
  );
}

/**
 * Refuses a database whose tables lack something, although the number of its schema is right: one that was made while
 * that schema was still being worked on.
 *
 * @throws RigorError `database`
 */
export async function refuseOtherColumns(db: Kysely<Database>, dialect: DialectName): Promise<void> {
  const query =
    dialect === "sqlite"
      ? sql<{ at: string }>`select m.name || '.' || c.name as at from sqlite_master m, pragma_table_info(m.name) c`
      : sql<{ at: string }>`select table_name || '.' || column_name as at from information_schema.columns
          where table_schema = current_schema()`;
  const present = new Set((await query.execute(db)).rows.map(({ at }) => at));
  const known = tableNames.flatMap((table) => Object.keys(tables[table].columns).map((column) => `${table}.${column}`));
  const lacking = [...known, "daemons.lives_until", "drivers.fence"].filter((at) => !present.has(at));
  if (lacking.length === 0) return;
  throw new RigorError("database", `The database was made by an unfinished version of Rigor: it lacks ${lacking[0]}.`, {
    next: "Use the version that made it, or start with an empty database. It was left untouched.",
  });
}

/** What the database says about itself. */
export async function readMeta(db: Kysely<Database>, key: string): Promise<string | undefined> {
  const row = await db.selectFrom("meta").select("value").where("key", "=", key).executeTakeFirst();
  return row?.value;
}

async function writeMeta(db: Kysely<Database>, key: string, value: string): Promise<void> {
  await db
    .insertInto("meta")
    .values({ key, value })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value }))
    .execute();
}
