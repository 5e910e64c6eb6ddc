import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  CompiledQuery,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type SqliteDatabase,
} from "kysely";
import { RigorError } from "../../domain/errors.ts";
import { makePrivateFile } from "../private-file.ts";
import type { Turn } from "../turn.ts";
import { JournalFlush } from "./journal-flush.ts";

/** Statements kept compiled. */
const maxPreparedStatements = 200;
/** Longer ones are bulk statements of many lengths: each would be kept for nothing, with all its parameters. */
const longestKeptStatement = 20_000;

/** Statements that change no schema: these may be kept. What begins and ends each turn must not empty the others. */
const query = /^\s*(?:select|insert|update|delete|with|begin|commit)\b/i;

/** `node:sqlite` behind the interface that Kysely's SQLite driver speaks. */
function asKyselyDatabase(database: DatabaseSync): SqliteDatabase {
  const kept = new Map<string, ReturnType<SqliteDatabase["prepare"]>>();
  return {
    close: () => database.close(),
    prepare(sql) {
      const present = kept.get(sql);
      if (present !== undefined) return present;
      const statement = asKyselyStatement(database, sql);
      if (!query.test(sql)) {
        // A kept `select *` would go on with the columns of the schema that it was compiled for.
        kept.clear();
      } else if (sql.length <= longestKeptStatement) {
        if (kept.size >= maxPreparedStatements) kept.clear();
        kept.set(sql, statement);
      }
      return statement;
    },
  };
}

function asKyselyStatement(database: DatabaseSync, sql: string): ReturnType<SqliteDatabase["prepare"]> {
  const statement: StatementSync = database.prepare(sql);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    // A statement has one cursor: a stream gets its own, so that one left half-way holds up nobody.
    iterate: (parameters) => database.prepare(sql).iterate(...(parameters as SQLInputValue[])),
  };
}

/**
 * One connection for one user at a time. Kysely can queue them by itself, but then someone who waits for the
 * connection while holding it would never be told.
 */
class OneConnectionAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class TurnDriver extends SqliteDriver {
  readonly #database: DatabaseSync;
  readonly #turn: Turn;
  readonly #journal: JournalFlush;
  readonly #waiting: (() => void)[] = [];
  #taken = false;
  #isLazy = false;

  constructor(database: DatabaseSync, turn: Turn) {
    super({ database: asKyselyDatabase(database) });
    this.#database = database;
    this.#turn = turn;
    this.#journal = new JournalFlush(`${database.location()}-wal`);
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    this.#turn.refuseInside("a query on the store");
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    return super.acquireConnection();
  }

  override async releaseConnection(): Promise<void> {
    const next = this.#waiting.shift();
    // Handed over directly: nobody who comes in between takes it first.
    if (next === undefined) this.#taken = false;
    else next();
  }

  /** A transaction takes the write lock when it begins, so that it never fails in the middle of its work. */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    this.#isLazy = this.#turn.durability === "soon" && this.#journal.works;
    if (this.#isLazy) this.#database.exec("pragma synchronous = normal");
    try {
      await connection.executeQuery(CompiledQuery.raw("begin immediate"));
    } catch (error) {
      this.#endLaziness();
      throw error;
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await super.commitTransaction(connection);
    if (this.#isLazy) this.#journal.flushSoon();
    this.#endLaziness();
  }

  /** After some errors, as a full disk, SQLite has rolled back by itself: that error is the one to report. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.isTransaction) await super.rollbackTransaction(connection);
    this.#endLaziness();
  }

  #endLaziness(): void {
    if (this.#isLazy) this.#database.exec("pragma synchronous = full");
    this.#isLazy = false;
  }

  override async destroy(): Promise<void> {
    await this.#journal.close();
    await super.destroy();
  }
}

/** Kysely's dialect for a database of `node:sqlite`. */
export function sqliteDialect(database: DatabaseSync, turn: Turn): Dialect {
  return {
    createAdapter: () => new OneConnectionAdapter(),
    createDriver: () => new TurnDriver(database, turn),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Opens the file for one writer: durable on every commit that does not ask for less, readers never wait. */
export function openSqlite(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on");
    // In pages. Most pages change with every commit, and one that changed a hundred times is copied to the file once.
    database.exec("pragma wal_autocheckpoint = 4000");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Copies a consistent state of the database while it is in use. The copy is read through a connection of its own,
 * from one snapshot, so that the writer neither waits nor makes it start again; it appears under its name when it is
 * whole.
 */
export async function backupSqlite(source: string, target: string): Promise<void> {
  if (existsSync(target)) {
    throw new RigorError("not-possible", `${target} exists already.`, { next: "Name a file that does not exist." });
  }
  const part = `${target}.part`;
  const reader = new DatabaseSync(source, { readOnly: true });
  try {
    makePrivateFile(part);
    await backup(reader, part, { rate: 2 ** 30 });
    await rename(part, target);
  } finally {
    reader.close();
    await rm(part, { force: true });
  }
}
