import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import type { Live } from "../attempts/live.ts";
import type { Wait } from "../attempts/waits.ts";
import type { Lab } from "../lab/lab.ts";
import { experimentsInState } from "../records/experiment-queries.ts";
import { takeBack } from "./take-back.ts";

/** Those of the experiments that have jobs waiting at schedulers, whichever daemon drives these. */
export async function withWaitingJobs(
  { store }: Lab,
  experiments: readonly ExperimentRecord[],
): Promise<ExperimentRecord[]> {
  if (experiments.length === 0) return [];
  const rows = await store.db
    .selectFrom("waiting_jobs")
    .innerJoin("attempts", "attempts.id", "waiting_jobs.attempt_id")
    .innerJoin("runs", "runs.current_attempt", "attempts.id")
    .select("attempts.experiment_id")
    .distinct()
    .where("runs.state", "=", "active")
    .where(
      "attempts.experiment_id",
      "in",
      experiments.map(({ id }) => id),
    )
    .execute();
  const found = new Set(rows.map((row) => row.experiment_id));
  return experiments.filter(({ id }) => found.has(id));
}

/**
 * Takes back what waits at schedulers for experiments that are held for their budgets: nothing would keep it from being
 * started there. What runs goes on.
 *
 * @param holding what is under way on computes of this daemon
 * @returns the runs whose jobs are to be cancelled
 */
export async function takeBackUnpaid(
  { store }: Lab,
  holding: readonly Live[],
  waitOf: (attempt: string) => Wait | undefined,
): Promise<string[]> {
  const waiting = holding.filter(({ attempt }) => waitOf(attempt.id) !== undefined);
  if (waiting.length === 0) return [];
  const isUnpaid = ({ hold }: ExperimentRecord) => hold?.code === "budget";
  if (!(await experimentsInState(store.db, ["held"])).some(isUnpaid)) return [];
  return await store.transact("daemon", async (transaction) => {
    const held = (await experimentsInState(transaction.db, ["held"])).filter(isUnpaid);
    const taken: string[] = [];
    for (const experiment of held) {
      const own = waiting.filter(({ attempt }) => attempt.experiment_id === experiment.id);
      const message = `its job was taken back: the budget of ${reference(experiment)} is used up`;
      taken.push(...(await takeBack(transaction, own, { code: "budget", message }, null)));
    }
    return taken;
  });
}
