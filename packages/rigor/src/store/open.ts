import { randomUUID } from "node:crypto";
import { accessSync, constants, existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { RigorError } from "../domain/errors.ts";
import { openPostgres } from "./dialects/postgres.ts";
import { backupSqlite, openSqlite, sqliteDialect } from "./dialects/sqlite.ts";
import { backupError, databaseError, sqlite, sqliteCode } from "./errors.ts";
import { migrate, readMeta, refuseNewer, refuseOtherColumns } from "./migrate.ts";
import { makePrivateFile } from "./private-file.ts";
import { Store, type StoreOptions } from "./store.ts";
import { tableNames, type Database } from "./tables.ts";
import { Turn } from "./turn.ts";

/** Up to this size (bytes) the whole file is checked when it is opened: 0.1 s on a slow machine. */
const wholeCheckLimit = 64 * 1024 * 1024;

/**
 * Opens the embedded store, making or migrating it as needed. What is not a whole database of this program is
 * refused and left as it is.
 *
 * @throws RigorError `database` (damaged, foreign, newer), `storage` (cannot be read or written)
 */
export async function openSqliteStore(file: string): Promise<Store> {
  try {
    if (!existsSync(file)) await createDatabase(file);
    refuseForeignFile(file);
    const turn = new Turn();
    const db = new Kysely<Database>({ dialect: sqliteDialect(openSqlite(file), turn) });
    return await openStore({ db, dialect: "sqlite", turn, backup: (target) => backupTo(file, target) });
  } catch (error) {
    throw databaseError(error, file);
  }
}

/**
 * Opens a store that is shared through a PostgreSQL server.
 *
 * @param url connection string; the tables are made in the first schema of its search path
 * @throws RigorError `database`
 */
export async function openPostgresStore(url: string): Promise<Store> {
  try {
    const db = new Kysely<Database>({ dialect: await openPostgres(url) });
    return await openStore({ db, dialect: "postgres", turn: new Turn(), backup: refuseBackup });
  } catch (error) {
    const named = databaseError(error);
    if (named instanceof RigorError) throw named;
    const message = error instanceof Error ? error.message : String(error);
    throw new RigorError("database", `PostgreSQL at RIGOR_DATABASE_URL does not work: ${message}`, {
      next: "Check that the server runs and that user, password and database in the URL are right.",
      cause: error,
    });
  }
}

/** Makes the schema current and reads who this log is. Lets go of the database if that fails. */
async function openStore(options: Omit<StoreOptions, "origin">): Promise<Store> {
  const { db, dialect } = options;
  try {
    await migrate(db, dialect);
    await refuseOtherColumns(db, dialect);
    const origin = await readMeta(db, "origin");
    if (origin === undefined) throw new RigorError("database", "The database has no origin: it is incomplete.");
    return new Store({ ...options, origin });
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/**
 * Makes a new database under another name and gives it its own when it is whole. A file that is empty or has no
 * tables is therefore never one that was only just begun.
 */
async function createDatabase(file: string): Promise<void> {
  if (existsSync(`${file}-wal`) && !existsSync(file)) {
    throw new RigorError("database", `${file} is gone, but its journal ${file}-wal is there; it was left untouched.`, {
      next: "Put the database back, or move its journal away too.",
    });
  }
  const made = `${file}.${randomUUID()}.new`;
  try {
    makePrivateFile(made);
    const db = new Kysely<Database>({ dialect: sqliteDialect(openSqlite(made), new Turn()) });
    try {
      await migrate(db, "sqlite");
    } finally {
      await db.destroy();
    }
    giveName(made, file);
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${made}${suffix}`, { force: true });
  }
}

/** Names a file, unless the name is taken: another process made the database in the meantime, and that one is used. */
function giveName(made: string, file: string): void {
  try {
    linkSync(made, file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return;
    // Some file systems have no links.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    renameSync(made, file);
  }
}

/** Looks at an existing file without writing to it, and refuses what this program must not touch. */
function refuseForeignFile(file: string): void {
  const { size } = statSync(file);
  if (size === 0) throw damaged(file, "it is empty");
  // SQLite would open it for reading only, and say so at the first write.
  accessSync(file, constants.W_OK);
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    checkPages(database, file, size);
    const row = database.prepare("select value from meta where key = 'schema_version'").get();
    refuseNewer(Number(row?.["value"]), file);
  } catch (error) {
    const code = sqliteCode(error);
    if (code === sqlite.corrupt) throw damaged(file, error);
    // There is no table `meta`, or it is another one.
    if (code === sqlite.error) throw foreign(file, error);
    throw error;
  } finally {
    database.close();
  }
}

/**
 * Reads the file's structure. That takes as long as reading the file, so of a large one only the tables that
 * decisions are made from are read; damage elsewhere is reported when it is met.
 */
function checkPages(database: DatabaseSync, file: string, size: number): void {
  const checks = size <= wholeCheckLimit ? ["1"] : tableNames.map((table) => `'${table}'`);
  for (const check of checks) {
    const row = database.prepare(`pragma quick_check(${check})`).get();
    const answer = row?.["quick_check"];
    if (answer !== "ok") throw damaged(file, answer);
  }
}

function damaged(file: string, cause: unknown): RigorError {
  return new RigorError("database", `The database ${file} is damaged; it was left untouched.`, {
    next: "Restore a backup made by `rigor backup`, or move the file away to start with an empty lab.",
    cause,
  });
}

function foreign(file: string, cause: unknown): RigorError {
  return new RigorError("database", `${file} is a database of another program; it was left untouched.`, {
    next: "Move it away, or set RIGOR_HOME to another directory.",
    cause,
  });
}

async function backupTo(file: string, target: string): Promise<void> {
  try {
    await backupSqlite(file, target);
  } catch (error) {
    throw backupError(error, file, target);
  }
}

function refuseBackup(): Promise<void> {
  return Promise.reject(
    new RigorError("not-possible", "The database is on a PostgreSQL server.", {
      next: "Use `pg_dump`, which copies it while it is in use.",
    }),
  );
}
