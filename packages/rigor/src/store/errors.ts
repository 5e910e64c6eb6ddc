import { RigorError, systemCode } from "../domain/errors.ts";

type Meaning = [code: "storage" | "database", message: string, next: string];

/** `SQLITE_IOERR_SHMSIZE`: the index of the write-ahead log cannot grow, which has one cause only. */
const noRoomForIndex = 4874;

/** SQLite's primary result code of an error, if it came from SQLite. Any that tells of a full disk is `full`. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error && "errcode" in error && typeof error.errcode === "number")) return undefined;
  return error.errcode === noRoomForIndex ? sqlite.full : error.errcode & 0xff;
}

/** SQLite's primary result codes that the store tells apart, https://www.sqlite.org/rescode.html. */
export const sqlite = {
  error: 1,
  busy: 5,
  readOnly: 8,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notDatabase: 26,
} as const;

const sqliteMeanings: Record<number, Meaning> = {
  3: ["storage", "The database may not be opened", "Check the permissions of the data directory."],
  [sqlite.busy]: ["database", "Another process keeps writing to the database", "End the other process."],
  [sqlite.readOnly]: ["storage", "The database is read-only", "Check the permissions of the data directory."],
  10: ["storage", "The disk failed to read or write the database", "Check the disk and its free space."],
  [sqlite.corrupt]: ["database", "The database is damaged", "Restore a backup made by `rigor backup`."],
  [sqlite.full]: ["storage", "The disk is full", "Free some space, then try again: nothing was lost, and jobs go on."],
  [sqlite.cannotOpen]: [
    "storage",
    "The database cannot be opened",
    "Check that the data directory exists and can be written.",
  ],
  [sqlite.notDatabase]: [
    "database",
    "The file is not a Rigor database",
    "Move it away, or set RIGOR_HOME to another directory.",
  ],
};

const unreachable: Meaning = [
  "database",
  "The PostgreSQL server cannot be reached",
  "Check that it runs, and RIGOR_DATABASE_URL.",
];

/** Codes of PostgreSQL and of the connection to it, https://www.postgresql.org/docs/current/errcodes-appendix.html. */
const postgresMeanings: Record<string, Meaning> = {
  "25006": ["storage", "The PostgreSQL server accepts no writes", "Connect to the primary server."],
  "53100": ["storage", "The disk of the PostgreSQL server is full", "Free some space there; nothing was lost."],
  "57P01": unreachable,
  "57P02": unreachable,
  "57P03": unreachable,
  "25P03": unreachable,
  EPIPE: unreachable,
  ECONNREFUSED: unreachable,
  ECONNRESET: unreachable,
  ENOTFOUND: unreachable,
  ETIMEDOUT: unreachable,
};

/** Codes of the operating system, for what is done to the database's file without SQLite. */
const fileMeanings: Record<string, number> = {
  EACCES: sqlite.readOnly,
  EPERM: sqlite.readOnly,
  EROFS: sqlite.readOnly,
  ENOSPC: sqlite.full,
  EDQUOT: sqlite.full,
  ENOENT: sqlite.cannotOpen,
  ENOTDIR: sqlite.cannotOpen,
};

/** Errors that `pg` gives no code: of a connection that ended, and of one that does not answer. */
const nameless = new Set([
  "Client has encountered a connection error and is not queryable",
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "Query read timeout",
  "timeout expired",
  "timeout exceeded when trying to connect",
]);

function meaningOf(error: unknown, ofFile: boolean): Meaning | undefined {
  const number = sqliteCode(error);
  if (number !== undefined) return sqliteMeanings[number];
  if (!(error instanceof Error)) return undefined;
  if (nameless.has(error.message)) return unreachable;
  const code = systemCode(error);
  if (code === undefined) return undefined;
  const known = ofFile ? fileMeanings[code] : undefined;
  return known === undefined ? postgresMeanings[code] : sqliteMeanings[known];
}

/**
 * Names the faults of the database that a person can mend; other errors go through unchanged.
 *
 * @param file the database's file, to be named in the message; errors of the operating system are then about it
 */
export function databaseError(error: unknown, file?: string): unknown {
  if (error instanceof RigorError) return error;
  const meaning = meaningOf(error, file !== undefined);
  if (meaning === undefined) return error;
  const [code, message, next] = meaning;
  return new RigorError(code, `${message}${file === undefined ? "" : `: ${file}`}.`, { next, cause: error });
}

/** Faults of the disk or the database: everything waits until they are mended. */
export const isEverywhere = (error: unknown): boolean =>
  error instanceof RigorError && (error.code === "storage" || error.code === "database");

/** Names what keeps a copy of the database from being written; what is wrong with the database itself is said of that. */
export function backupError(error: unknown, file: string, target: string): unknown {
  const named = databaseError(error, file);
  if (!(named instanceof RigorError) || named.code !== "storage") return named;
  const isFull = sqliteCode(error) === sqlite.full || meaningOf(error, true) === sqliteMeanings[sqlite.full];
  return new RigorError("storage", `The backup ${target} cannot be written${isFull ? ": the disk is full" : ""}.`, {
    next: isFull ? "Make room there, or choose another place." : "Choose a place where you may write.",
    cause: error,
  });
}
