import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Kysely, sql } from "kysely";
import { RigorError } from "../domain/errors.ts";
import { openPostgres } from "./dialects/postgres.ts";
import { backupSqlite, openSqlite, sqliteDialect } from "./dialects/sqlite.ts";
import { databaseError } from "./errors.ts";
import { migrations, schemaVersion, type DialectName } from "./migrations/migrations.ts";
import { Store } from "./store.ts";
import type { Database } from "./tables.ts";

/** Opens the embedded store, making or migrating it as needed. */
export async function openSqliteStore(file: string): Promise<Store> {
  try {
    if (existsSync(file)) refuseForeignFile(file);
    const database = openSqlite(file);
    const db = new Kysely<Database>({ dialect: sqliteDialect(database) });
    return await openStore(db, "sqlite", {
      backup: (target) => backupSqlite(database, target),
      close: () => Promise.resolve(),
    });
  } catch (error) {
    throw databaseError(error);
  }
}

/** Opens a store that is shared through a PostgreSQL server. */
export async function openPostgresStore(url: string): Promise<Store> {
  const { dialect } = await openPostgres(url);
  const db = new Kysely<Database>({ dialect });
  try {
    return await openStore(db, "postgres", {
      backup: () =>
        Promise.reject(
          new RigorError("not-possible", "the database is on a PostgreSQL server", {
            next: "Use `pg_dump`, which copies it while it is in use.",
          }),
        ),
      close: () => Promise.resolve(),
    });
  } catch (error) {
    await db.destroy();
    if (error instanceof RigorError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new RigorError("database", `PostgreSQL at RIGOR_DATABASE_URL does not work: ${message}`, {
      next: "Check that the server runs and that user, password and database in the URL are right.",
      cause: error,
    });
  }
}

/** Looks at an existing file without writing to it, and refuses what this program must not touch. */
function refuseForeignFile(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const check = database.prepare("pragma quick_check(1)").get() as { quick_check?: string } | undefined;
    if (check?.quick_check !== "ok") throw damaged(file, check?.quick_check ?? "no answer");
    const objects = database.prepare("select count(*) as count from sqlite_schema").get() as { count: number };
    if (objects.count === 0) return;
    const meta = database.prepare("select name from sqlite_schema where name = 'meta'").get();
    if (meta === undefined) {
      throw new RigorError("database", `${file} is a database of another program`, {
        next: "Move it away, or set RIGOR_HOME to another directory.",
      });
    }
    const row = database.prepare("select value from meta where key = 'schema_version'").get() as
      { value: string } | undefined;
    refuseNewer(Number(row?.value ?? 0), file);
  } catch (error) {
    const named = databaseError(error);
    throw named instanceof RigorError && named.message === "the database is damaged" ? damaged(file, error) : named;
  } finally {
    database.close();
  }
}

function damaged(file: string, cause: unknown): RigorError {
  return new RigorError("database", `the database ${file} is damaged; it was left untouched`, {
    next: "Restore a backup made by `rigor backup`, or move the file away to start with an empty lab.",
    cause,
  });
}

function refuseNewer(found: number, where: string): void {
  if (found <= schemaVersion) return;
  throw new RigorError(
    "database",
    `${where} has schema ${found}, made by a newer Rigor; this one knows ${schemaVersion}. It was left untouched`,
    { next: "Install the newer version of Rigor." },
  );
}

async function openStore(
  db: Kysely<Database>,
  dialect: DialectName,
  effects: { backup: (file: string) => Promise<void>; close: () => Promise<void> },
): Promise<Store> {
  await migrate(db, dialect);
  const origin = await readMeta(db, "origin");
  if (origin === undefined) throw new RigorError("database", "the database has no origin: it is incomplete");
  const last = await db
    .selectFrom("events")
    .select(({ fn }) => fn.max("seq").as("seq"))
    .where("origin", "=", origin)
    .executeTakeFirst();
  return new Store({ db, dialect, origin, lastSeq: last?.seq ?? 0, ...effects });
}

/** Brings the schema up to date in one transaction; a new database gets its origin with it. */
async function migrate(db: Kysely<Database>, dialect: DialectName): Promise<void> {
  await db.transaction().execute(async (trx) => {
    // Two processes may open a new shared database at once: the second one waits here and finds it made.
    if (dialect === "postgres") await sql`select pg_advisory_xact_lock(7_246_067)`.execute(trx);
    await trx.schema
      .createTable("meta")
      .ifNotExists()
      .addColumn("key", "text", (column) => column.primaryKey())
      .addColumn("value", "text", (column) => column.notNull())
      .execute();
    const found = Number((await readMeta(trx, "schema_version")) ?? 0);
    refuseNewer(found, "the database");
    if (found === schemaVersion) return;
    for (const migration of migrations.slice(found)) await migration.up(trx as unknown as Kysely<unknown>, dialect);
    await writeMeta(trx, "schema_version", String(schemaVersion));
    if ((await readMeta(trx, "origin")) === undefined) await writeMeta(trx, "origin", randomUUID());
  });
}

async function readMeta(db: Kysely<Database>, key: string): Promise<string | undefined> {
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
