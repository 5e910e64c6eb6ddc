import { databaseError } from "./errors.ts";
import type { Store } from "./store.ts";
import type { WaitingJobRow } from "./tables.ts";

const rowsPerStatement = 500;

/**
 * Notes beside the log which jobs wait, and why.
 *
 * @param over attempts that do not wait any more
 * @throws RigorError `storage` or `database` for faults of the database; nothing is then noted
 */
export async function noteWaitingJobs(
  store: Store,
  waiting: readonly WaitingJobRow[],
  over: readonly string[],
): Promise<void> {
  if (waiting.length + over.length === 0) return;
  const ids = [...over, ...waiting.map(({ attempt_id }) => attempt_id)];
  const written = store.db.transaction().execute(async (trx) => {
    for (let start = 0; start < ids.length; start += rowsPerStatement) {
      const some = ids.slice(start, start + rowsPerStatement);
      await trx.deleteFrom("waiting_jobs").where("attempt_id", "in", some).execute();
    }
    for (let start = 0; start < waiting.length; start += rowsPerStatement) {
      const some = waiting.slice(start, start + rowsPerStatement);
      await trx.insertInto("waiting_jobs").values(some).execute();
    }
  });
  await written.catch((error: unknown) => {
    throw databaseError(error);
  });
}
