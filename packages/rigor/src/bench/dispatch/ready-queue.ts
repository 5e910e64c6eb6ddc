import type { Kysely } from "kysely";
import type { ExperimentRecord } from "../../domain/records.ts";
import { isAhead } from "./retries.ts";
import type { Database } from "../../store/tables.ts";

const pageSize = 1_000;

/**
 * The runs of one experiment that may start now, in its order: those that wait for no other run. A page is kept in memory, so that a tick costs the
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

  /** Removes a run that was peeked, wherever it stands: one that another experiment started is left behind. */
  take(runId: string): void {
    const at = this.#page.indexOf(runId, this.#next);
    if (at === this.#next) this.#next += 1;
    else if (at !== -1) this.#page.splice(at, 1);
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
      .where(({ exists, not, selectFrom }) =>
        not(
          exists(
            selectFrom("needs")
              .innerJoin("runs as needed", "needed.id", "needs.needed")
              .select("needs.folder")
              .whereRef("needs.run_id", "=", "placements.run_id")
              .where("needed.state", "!=", "done"),
          ),
        ),
      )
      .orderBy("placements.first_stage")
      .orderBy("placements.position")
      .limit(pageSize)
      .execute();
    const waits = (time: string | null): time is string => time !== null && isAhead(time, now);
    this.#page = rows.filter((row) => !waits(row.not_before)).map((row) => row.run_id);
    this.#next = 0;
    this.#stale = false;
    const times = rows.flatMap((row) => (waits(row.not_before) ? [Date.parse(row.not_before)] : []));
    this.dueAt = times.length === 0 ? null : Math.min(...times);
  }
}

/** The queues of the running experiments. */
export class ReadyQueues {
  readonly #queues = new Map<string, ReadyQueue>();

  /** Keeps one queue for each of these experiments, and no other. */
  follow(experiments: readonly ExperimentRecord[]): void {
    const ids = new Set(experiments.map(({ id }) => id));
    for (const id of this.#queues.keys()) if (!ids.has(id)) this.#queues.delete(id);
    for (const id of ids) if (!this.#queues.has(id)) this.#queues.set(id, new ReadyQueue(id));
  }

  of(experimentId: string): ReadyQueue | undefined {
    return this.#queues.get(experimentId);
  }

  /** Whether nothing of an experiment waits to be started. */
  isIdle(experimentId: string): boolean {
    return this.#queues.get(experimentId)?.empty ?? true;
  }

  /** Something happened that may have added runs to any experiment, or removed some. */
  invalidateAll(): void {
    for (const queue of this.#queues.values()) queue.invalidate();
  }

  /** Removes a run from every experiment that shares it. */
  takeFromAll(runId: string): void {
    for (const queue of this.#queues.values()) queue.take(runId);
  }
}
