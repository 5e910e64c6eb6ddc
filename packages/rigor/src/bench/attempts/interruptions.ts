import type { JobStatus } from "../../compute/executor.ts";
import type { AttemptRecord } from "../../domain/records.ts";
import { noteInterruptedJobs } from "../../store/interrupted-jobs.ts";
import type { Store } from "../../store/store.ts";
import type { InterruptedJobRow } from "../../store/tables.ts";

type Started = Pick<AttemptRecord, "id" | "started_at">;

/** How long a job ran before its scheduler interrupted it, in seconds, and since when it runs again, if it does. */
type Interruption = Omit<InterruptedJobRow, "attempt_id">;

/** Seconds for which an attempt that has not ended was running. @param now epoch milliseconds */
export function ranSeconds({ started_at }: Started, interruption: Interruption | undefined, now: number): number {
  const { ran, since } = interruption ?? { ran: 0, since: started_at };
  return ran + (since === null ? 0 : Math.max(0, now - Date.parse(since)) / 1_000);
}

/**
 * Jobs that their schedulers interrupted, and start again under the same attempt: while they wait, they use nothing. Beside
 * the log like {@link Waits}, where the daemon that minds the budget finds it.
 */
export class Interruptions {
  readonly #store: Store;
  readonly #known = new Map<string, Interruption>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes over what was noted of attempts that are under way; of all others it is forgotten. */
  async adopt(attempts: ReadonlySet<string>): Promise<void> {
    const rows = await this.#store.db.selectFrom("interrupted_jobs").selectAll().execute();
    for (const { attempt_id, ...row } of rows) {
      if (attempts.has(attempt_id)) this.#known.set(attempt_id, row);
      else await this.#store.db.deleteFrom("interrupted_jobs").where("attempt_id", "=", attempt_id).execute();
    }
  }

  /**
   * Seconds for which a job that left no record ran; null where nothing is known of that.
   *
   * @param beatAt epoch milliseconds of its last sign of life; null for none since it was interrupted
   */
  ranUntil(attempt: Started, beatAt: number | null): number | null {
    const known = this.#known.get(attempt.id);
    if (beatAt === null) return known?.ran ?? null;
    return known === undefined && attempt.started_at === null ? null : ranSeconds(attempt, known, beatAt);
  }

  /** Takes down what a look at attempts has told. @param now epoch milliseconds */
  async note(attempts: readonly Started[], statuses: ReadonlyMap<string, JobStatus>, now: number): Promise<void> {
    const changed: InterruptedJobRow[] = [];
    for (const attempt of attempts) {
      const known = this.#known.get(attempt.id);
      const state = statuses.get(attempt.id)?.state;
      const runs = known === undefined ? attempt.started_at !== null : known.since !== null;
      if (state === "waiting" && runs) {
        changed.push({ attempt_id: attempt.id, ran: ranSeconds(attempt, known, now), since: null });
      } else if (state === "running" && known?.since === null) {
        changed.push({ attempt_id: attempt.id, ran: known.ran, since: new Date(now).toISOString() });
      }
    }
    if (changed.length === 0) return;
    await noteInterruptedJobs(this.#store, changed);
    for (const { attempt_id, ...row } of changed) this.#known.set(attempt_id, row);
  }

  forget(attempt: string): void {
    this.#known.delete(attempt);
  }
}
