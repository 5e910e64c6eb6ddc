import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { AttemptRecord } from "../../domain/records.ts";
import type { Lab } from "../lab/lab.ts";
import type { Preparation } from "../computes/preparation.ts";

/** Attempts that another daemon has started, with their files in this data directory. */
export async function bringHere(
  { data, driving, lanes, store }: Pick<Lab, "data" | "driving" | "lanes" | "store">,
  preparation: Preparation,
  attempts: readonly AttemptRecord[],
): Promise<AttemptRecord[]> {
  const placeOf = ({ run_id, id }: AttemptRecord) => AttemptDirectory.in(data.root, run_id, id).path;
  const here = attempts.map((attempt) => ({ ...attempt, directory: placeOf(attempt) }));
  const moved = attempts.filter((attempt) => placeOf(attempt) !== attempt.directory);
  for (const [computeId, group] of Map.groupBy(moved, ({ compute_id }) => compute_id)) {
    const lane = await lanes.reopen(computeId);
    await lane.executor.takeOver(group.map(({ id, run_id }) => ({ attempt: id, run: run_id })));
  }
  const [computes, experiments] = [here.map((one) => one.compute_id), here.map((one) => one.experiment_id)];
  for (const offer of await driving.offers([...new Set(computes)], [...new Set(experiments)])) {
    preparation.learn(offer.experiment_id, offer.compute_id, offer.staged);
  }
  if (moved.length === 0) return here;
  const events = moved.map((attempt): DomainEvent => ({
    kind: "attempt.adopted",
    entity: attempt.id,
    data: { directory: placeOf(attempt) },
  }));
  await store.transact("daemon", (transaction) => transaction.append(events));
  return here;
}
