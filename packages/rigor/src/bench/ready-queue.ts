import type { Kysely } from "kysely";
import type { ExperimentRecord } from "../domain/records.ts";
import type { Database } from "../store/tables.ts";

const pageSize = 1_000;

/**
 * The runs of one experiment that may start now, in its order. A page is kept in memory, so that a tick costs the
 * same with ten runs and with a hundred thousand; the database is asked again when the page is used up or may be wrong.
 */
export class ReadyQueue {
  readonly experimentId: string;
  #page: string[] = [];
  #next = 0;
  #stale = true;
  /** Epoch milliseconds at which the next waiting retry is due; null without one. */
  dueAt: number | null = null;

  constructor(experimentId: string) {
    this.experimentId = experimentId;
  }

  /** Something happened that may have added or removed runs. */
  invalidate(): void {
    this.#stale = true;
  }

  get empty(): boolean {
    return this.#next >= this.#page.length;
  }

  /** Up to `count` runs from the front; they stay in the queue. */
  peek(count: number): string[] {
    return this.#page.slice(this.#next, this.#next + count);
  }

  /** Removes that many from the front. */
  drop(count: number): void {
    this.#next += count;
  }

  /** Reads the next page if it is needed. @param now epoch milliseconds */
  async refill(db: Kysely<Database>, experiment: ExperimentRecord, now: number): Promise<void> {
    const due = this.dueAt !== null && this.dueAt <= now;
    if (!this.#stale && !this.empty && !due) return;
    if (!this.#stale && this.empty && !due && this.#page.length < pageSize) return;
    const rows = await db
      .selectFrom("placements")
      .innerJoin("runs", "runs.id", "placements.run_id")
      .select(["placements.run_id", "runs.not_before"])
      .where("placements.experiment_id", "=", experiment.id)
      .where("placements.first_stage", "<=", experiment.stage)
      .where("runs.state", "=", "pending")
      .orderBy("placements.first_stage")
      .orderBy("placements.position")
      .limit(pageSize)
      .execute();
    const waits = (time: string | null): time is string => time !== null && Date.parse(time) > now;
    this.#page = rows.filter((row) => !waits(row.not_before)).map((row) => row.run_id);
    this.#next = 0;
    this.#stale = false;
    const times = rows.flatMap((row) => (waits(row.not_before) ? [Date.parse(row.not_before)] : []));
    this.dueAt = times.length === 0 ? null : Math.min(...times);
  }
}
