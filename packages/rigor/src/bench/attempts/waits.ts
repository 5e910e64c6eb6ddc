import type { Kysely } from "kysely";
import type { JobStatus } from "../../compute/executor.ts";
import type { Store } from "../../store/store.ts";
import { portions } from "../../store/portions.ts";
import type { Database, WaitingJobRow } from "../../store/tables.ts";
import { noteWaitingJobs } from "../../store/waiting-jobs.ts";

/** Why a job waits at its scheduler, or to be submitted there. */
export interface Wait {
  /** The scheduler's word, or why it is not asked; null when there is none. */
  reason: string | null;
  /** The scheduler will not start it without a person. */
  held: boolean;
  /** When it began to wait, or to be held. */
  since: string;
}

/** Jobs of an experiment that wait at one compute for one reason. */
export interface WaitingGroup extends Omit<Wait, "since"> {
  compute: string;
  runs: number;
}

/**
 * Why jobs wait at their schedulers, as each look tells. It is no fact of the log: it changes all the time, and nothing
 * follows from a word. It lies beside the log, where every daemon and every view finds it.
 */
export class Waits {
  readonly #store: Store;
  readonly #known = new Map<string, Wait>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes over what was noted of attempts that are under way; of all others it is forgotten. */
  async adopt(attempts: ReadonlySet<string>): Promise<void> {
    const rows = await this.#store.db.selectFrom("waiting_jobs").selectAll().execute();
    const over = rows.filter((row) => !attempts.has(row.attempt_id)).map((row) => row.attempt_id);
    for (const row of rows) if (attempts.has(row.attempt_id)) this.#known.set(row.attempt_id, waitOf(row));
    await noteWaitingJobs(this.#store, [], over);
  }

  of(attempt: string): Wait | undefined {
    return this.#known.get(attempt);
  }

  /** Takes down what a look at attempts has told. @returns whether anything changed */
  async note(attempts: readonly string[], statuses: ReadonlyMap<string, JobStatus>): Promise<boolean> {
    const changed: WaitingJobRow[] = [];
    const over: string[] = [];
    const now = new Date().toISOString();
    for (const attempt_id of attempts) {
      const status = statuses.get(attempt_id);
      const before = this.#known.get(attempt_id);
      if (status === undefined) continue;
      if (status.state !== "waiting" && status.state !== "unsubmitted") {
        if (before !== undefined) over.push(attempt_id);
        continue;
      }
      const reason = status.reason ?? null;
      const held = status.state === "waiting" && status.held === true;
      if (before?.reason === reason && before.held === held) continue;
      changed.push({ attempt_id, reason, held: Number(held), since: before?.held === held ? before.since : now });
    }
    await noteWaitingJobs(this.#store, changed, over);
    for (const attempt of over) this.#known.delete(attempt);
    for (const row of changed) this.#known.set(row.attempt_id, waitOf(row));
    return changed.length + over.length > 0;
  }
}

export const waitOf = ({ reason, held, since }: Omit<WaitingJobRow, "attempt_id">): Wait => ({
  reason,
  held: held === 1,
  since,
});

/** What waits of experiments, by their ids; those for which most runs wait come first. */
export async function waitingGroups(
  db: Kysely<Database>,
  experimentIds: readonly string[],
): Promise<Map<string, WaitingGroup[]>> {
  const groups = new Map<string, WaitingGroup[]>();
  for (const portion of portions(experimentIds)) {
    const rows = await db
      .selectFrom("waiting_jobs")
      .innerJoin("attempts", "attempts.id", "waiting_jobs.attempt_id")
      .innerJoin("runs", (join) =>
        join.onRef("runs.id", "=", "attempts.run_id").onRef("runs.current_attempt", "=", "attempts.id"),
      )
      .innerJoin("placements", "placements.run_id", "runs.id")
      .select(({ fn }) => [
        "placements.experiment_id",
        "attempts.compute",
        "waiting_jobs.reason",
        "waiting_jobs.held",
        fn.countAll<number | string>().as("runs"),
      ])
      .where("runs.state", "=", "active")
      .where("placements.experiment_id", "in", portion)
      .groupBy(["placements.experiment_id", "attempts.compute", "waiting_jobs.reason", "waiting_jobs.held"])
      .execute();
    for (const { experiment_id: id, compute, reason, held, runs } of rows) {
      const group = { compute, reason, held: held === 1, runs: Number(runs) };
      groups.set(id, [...(groups.get(id) ?? []), group]);
    }
  }
  return new Map([...groups].map(([id, found]) => [id, found.toSorted((a, b) => b.runs - a.runs)]));
}
