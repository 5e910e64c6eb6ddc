import { DatabaseSync } from "node:sqlite";
import { RigorError } from "../domain/errors.ts";

const busy = 5;

/**
 * Takes the data directory for this process, until the process ends, however it ends: the lock is the operating
 * system's, held through an open transaction on a small file of its own, so that no stale lock can remain.
 *
 * @param holder describes the present owner for the error, from what it wrote about itself
 */
export function takeOwnership(file: string, holder: () => string): { release: () => void } {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("pragma journal_mode = delete; begin exclusive");
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && ((error.errcode as number) & 0xff) === busy) {
      throw new RigorError("already-running", `another daemon uses this data: ${holder()}`, {
        next: "Use that one, or end it with `rigor down`.",
        cause: error,
      });
    }
    throw error;
  }
  return { release: () => database.close() };
}
