import type { ExperimentRecord } from "../../domain/records.ts";
import { retryPause } from "../../domain/rules/attempt-rules.ts";
import type { Lab } from "../lab/lab.ts";
import type { Live } from "../attempts/live.ts";
import type { Wait } from "../attempts/waits.ts";
import { runningAskers } from "../records/experiment-queries.ts";
import { takeBack } from "./take-back.ts";

/** Milliseconds for which nothing but a person could have started anything of an experiment: many things pass sooner. */
const patienceMs = 30_000;

/** An experiment of which nothing goes on, and why. */
export interface Stuck {
  experiment: ExperimentRecord;
  reason: string;
  /** Jobs from before the experiment was started or released: a person has seen to it since, and they know nothing of that. */
  outdated: Live[];
}

type WaitOf = (attempt: string) => Wait | undefined;

/** The running experiments that ask for what is under way, by the id of its run; none while no job waits for a person. */
export async function askersOfHeld(
  { store }: Lab,
  holding: readonly Live[],
  waitOf: WaitOf,
): Promise<Map<string, string[]>> {
  if (!holding.some(({ attempt }) => waitOf(attempt.id)?.held === true)) return new Map();
  return await runningAskers(
    store.db,
    holding.map(({ run }) => run.id),
  );
}

/**
 * Experiments whose jobs all wait for a person to change something: a wrong partition, a limit that one job exceeds, a
 * hold. Waiting does not help, and what would be submitted besides would wait for the same.
 *
 * @param holding what is under way
 * @param askers those who ask for it: what an older version has started is waited for by the newer one
 * @param running experiments that are running; what was released lately is given time
 * @param now epoch milliseconds
 */
export function stuckExperiments(
  holding: readonly Live[],
  waitOf: WaitOf,
  askers: ReadonlyMap<string, readonly string[]>,
  running: readonly ExperimentRecord[],
  now: number,
): Stuck[] {
  if (askers.size === 0) return [];
  const byExperiment = new Map<string, Live[]>();
  for (const live of holding) {
    for (const id of askers.get(live.run.id) ?? []) byExperiment.set(id, [...(byExperiment.get(id) ?? []), live]);
  }
  return running.flatMap((experiment) => {
    const live = byExperiment.get(experiment.id) ?? [];
    const waits = live.flatMap(({ attempt }) => {
      const wait = waitOf(attempt.id);
      return wait?.held === true ? [{ compute: attempt.compute, ...wait }] : [];
    });
    const since = experiment.running.since ?? "";
    const times = [since, ...waits.map((wait) => wait.since)].map((time) => Date.parse(time));
    const isLasting = times.every((time) => now - time >= patienceMs);
    if (waits.length === 0 || waits.length < live.length || !isLasting) return [];
    const outdated = live.filter(({ attempt }) => Date.parse(attempt.queued_at) < Date.parse(since));
    return [{ experiment, reason: sayWhy(waits), outdated }];
  });
}

/**
 * Lets runs start anew whose jobs a scheduler has never started, as the experiment and `rigor.yaml` say now.
 *
 * @returns the runs whose jobs are to be cancelled
 */
export async function startAnew({ store }: Lab, { outdated, reason }: Stuck, now: number): Promise<string[]> {
  const notBefore = new Date(now + retryPause(0) * 1_000).toISOString();
  return await store.transact("daemon", (transaction) =>
    takeBack(transaction, outdated, { code: "stuck", message: reason }, notBefore),
  );
}

function sayWhy(waits: readonly { compute: string; reason: string | null }[]): string {
  const groups = Map.groupBy(waits, ({ compute, reason }) => `${compute} says ${JSON.stringify(reason ?? "held")}`);
  const said = [...groups].map(([words, { length }]) => `${words} of ${length === 1 ? "1 job" : `${length} jobs`}`);
  return `waiting alone does not start its jobs: ${said.join("; ")}`;
}
