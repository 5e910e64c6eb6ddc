import { databaseError } from "./errors.ts";
import type { Store } from "./store.ts";
import type { InterruptedJobRow } from "./tables.ts";

/**
 * Notes beside the log how long jobs have run that their schedulers interrupted.
 *
 * @throws RigorError `storage` or `database` for faults of the database; nothing is then noted
 */
export async function noteInterruptedJobs(store: Store, rows: readonly InterruptedJobRow[]): Promise<void> {
  const written = store.db.transaction().execute(async (trx) => {
    for (const row of rows) {
      const { ran, since } = row;
      const insert = trx.insertInto("interrupted_jobs").values(row);
      await insert.onConflict((conflict) => conflict.column("attempt_id").doUpdateSet({ ran, since })).execute();
    }
  });
  await written.catch((error: unknown) => {
    throw databaseError(error);
  });
}
