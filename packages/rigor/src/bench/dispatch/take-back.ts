import type { DomainEvent } from "../../domain/events/registry.ts";
import type { Reason } from "../../domain/records.ts";
import type { Transaction } from "../../store/store.ts";
import type { Live } from "../attempts/live.ts";
import { runsById } from "../records/run-queries.ts";

/**
 * Lets runs go back to their queue whose jobs wait at a scheduler: they get new attempts, and nothing counts as a failure.
 *
 * @param notBefore when the first of those attempts may start
 * @returns the runs whose jobs are to be cancelled
 */
export async function takeBack(
  transaction: Transaction,
  waiting: readonly Live[],
  reason: Reason,
  notBefore: string | null,
): Promise<string[]> {
  const runs = await runsById(
    transaction.db,
    waiting.map(({ run }) => run.id),
  );
  const present = waiting.flatMap(({ attempt }) => {
    const run = runs.get(attempt.run_id);
    return run?.state === "active" && run.current_attempt === attempt.id ? [run] : [];
  });
  const events = present.map(({ id, retries }): DomainEvent => ({
    kind: "run.retried",
    entity: id,
    data: { reason, retries, not_before: notBefore },
  }));
  await transaction.append(events);
  return present.map(({ id }) => id);
}
