import { databaseError } from "./errors.ts";
import type { Store } from "./store.ts";
import type { MetricPointRow } from "./tables.ts";

const pointsPerInsert = 2_000;

/**
 * Adds metric points beside the log. Points of a line that was read before are left as they are.
 *
 * @param points with finite numbers: NaN and infinity are the reader's to handle
 * @throws RigorError `storage` or `database` for faults of the database; none of the points is then added
 */
export async function ingestMetricPoints(store: Store, points: readonly MetricPointRow[]): Promise<void> {
  if (points.length === 0) return;
  const written = store.db.transaction().execute(async (trx) => {
    for (let start = 0; start < points.length; start += pointsPerInsert) {
      await trx
        .insertInto("metric_points")
        .values(points.slice(start, start + pointsPerInsert))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
  });
  await written.catch((error: unknown) => {
    throw databaseError(error);
  });
}

/** The points of one metric of one attempt, by step. */
export async function metricPoints(
  store: Store,
  attemptId: string,
  name: string,
  limit: number,
): Promise<{ step: number | null; value: number }[]> {
  return store.db
    .selectFrom("metric_points")
    .select(["step", "value"])
    .where("attempt_id", "=", attemptId)
    .where("name", "=", name)
    .orderBy("line_offset")
    .limit(limit)
    .execute();
}
