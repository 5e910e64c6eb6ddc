import { RigorError } from "../domain/errors.ts";

const sqliteCode = (error: unknown): number | undefined =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : undefined;

/** What SQLite's primary result codes mean to a person. */
const meanings: Record<number, [code: "storage" | "database", message: string, next: string]> = {
  8: ["storage", "the database is read-only", "Check the permissions of the data directory."],
  10: ["storage", "the disk failed to read or write the database", "Check the disk and its free space."],
  11: ["database", "the database is damaged", "Restore a backup made by `rigor backup`."],
  13: ["storage", "the disk is full", "Free some space; nothing was lost, and the daemon goes on by itself."],
  14: ["storage", "the database cannot be opened", "Check that the data directory exists and can be written."],
  26: ["database", "the file is not a Rigor database", "Move it away, or set RIGOR_HOME to another directory."],
};

/** Names the faults of the database that a person can mend; other errors go through unchanged. */
export function databaseError(error: unknown): unknown {
  const code = sqliteCode(error);
  const meaning = code === undefined ? undefined : meanings[code];
  if (meaning === undefined) return error;
  return new RigorError(meaning[0], meaning[1], { next: meaning[2], cause: error });
}
