import { DatabaseSync } from "node:sqlite";
import { RigorError } from "../domain/errors.ts";
import { databaseError, sqlite, sqliteCode } from "./errors.ts";
import { makePrivateFile } from "./private-file.ts";

/** A connection that nobody refers to is closed by the garbage collector, and the lock would end with it. */
const held = new Set<DatabaseSync>();

/**
 * Takes the data directory for this process, until the process ends, however it ends: the lock is the operating
 * system's, held through an open transaction on a small file of its own, so that no stale lock can remain.
 * Nothing else may open that file: on POSIX systems closing it anywhere in the process would end the lock.
 *
 * @param file the lock's own file; made if it does not exist
 * @param holder describes the present owner for the error, from what it wrote about itself
 * @throws RigorError `already-running` if another process is the owner, `storage` if the file cannot be written
 */
export function takeOwnership(file: string, holder: () => string): { release: () => void } {
  try {
    makePrivateFile(file);
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      database.exec("pragma journal_mode = delete; begin exclusive");
    } catch (error) {
      database.close();
      throw error;
    }
    held.add(database);
    const release = () => {
      held.delete(database);
      database.close();
    };
    return { release };
  } catch (error) {
    if (sqliteCode(error) !== sqlite.busy) throw databaseError(error, file);
    throw new RigorError("already-running", `Another daemon uses this data: ${holder()}.`, {
      next: "Use that one, or end it with `rigor down`.",
      cause: error,
    });
  }
}
