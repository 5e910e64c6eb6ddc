import type { AttemptRecord } from "../../domain/records.ts";
import { firstAttempts, holdForMissingCommand, isCommandMissing } from "../../domain/rules/experiment-rules.ts";
import type { Transaction } from "../../store/store.ts";
import { decodeRow } from "../../store/tables.ts";
import { experimentById } from "../records/experiment-queries.ts";
import { tallyOf } from "../records/run-queries.ts";

/** Holds those experiments of some attempts that have just ended which cannot start their command at all. */
export async function holdWithoutCommand(
  transaction: Transaction,
  ended: readonly Pick<AttemptRecord, "experiment_id" | "exit">[],
): Promise<void> {
  const suspects = new Set(ended.filter(({ exit }) => isCommandMissing(exit)).map((one) => one.experiment_id));
  for (const id of suspects) {
    const { db } = transaction;
    const experiment = await experimentById(db, id);
    const { since } = experiment.running;
    if (since === null) continue;
    const rows = await db
      .selectFrom("attempts")
      .selectAll()
      .where("experiment_id", "=", id)
      .where("queued_at", ">=", since)
      .where("finished_at", "is not", null)
      .orderBy("queued_at")
      .limit(firstAttempts)
      .execute();
    const first = rows.map((row) => decodeRow("attempts", row));
    await transaction.append(holdForMissingCommand(experiment, first, (await tallyOf(db, id)).pending));
  }
}
