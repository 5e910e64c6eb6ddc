import type { Kysely } from "kysely";
import { longestPause } from "../../domain/rules/attempt-rules.ts";
import { portions } from "../../store/portions.ts";
import { decodeRow, type Database } from "../../store/tables.ts";

/** Runs of an experiment whose last attempt failed, and that are tried again after a pause. */
export interface Retries {
  runs: number;
  /** When the first of them may start. */
  next_at: string;
  /** How the last attempt of that one ended: a category of failure, or a state. */
  after: string;
}

/** Whether a run waits for a time. One further away than any pause was written before the clock was set back. */
export function isAhead(time: string, now: number): boolean {
  const at = Date.parse(time);
  return at > now && at <= now + longestPause * 1_000;
}

/** The retries of experiments that are pausing, by experiment. @param now epoch milliseconds */
export async function retriesOf(
  db: Kysely<Database>,
  experimentIds: readonly string[],
  now: number,
): Promise<Map<string, Retries>> {
  const retries = new Map<string, Retries>();
  const [first, last] = [now, now + longestPause * 1_000].map((time) => new Date(time).toISOString());
  for (const portion of portions(experimentIds)) {
    const pausing = db
      .selectFrom("placements")
      .innerJoin("runs", "runs.id", "placements.run_id")
      .where("placements.experiment_id", "in", portion)
      .where("runs.state", "=", "pending")
      .where("runs.not_before", ">", first ?? "")
      .where("runs.not_before", "<=", last ?? "");
    const rows = await pausing
      .select(({ fn }) => [
        "placements.experiment_id",
        fn.countAll<number | string>().as("runs"),
        fn.min("runs.not_before").as("next_at"),
      ])
      .groupBy("placements.experiment_id")
      .execute();
    for (const { experiment_id: id, runs, next_at } of rows) {
      const next = await pausing
        .select("runs.reason")
        .where("placements.experiment_id", "=", id)
        .where("runs.not_before", "=", next_at)
        .limit(1)
        .executeTakeFirstOrThrow();
      const { reason } = decodeRow("runs", next);
      retries.set(id, { runs: Number(runs), next_at: next_at ?? "", after: reason?.code ?? "" });
    }
  }
  return retries;
}
