import type { DomainEvent } from "../../domain/events/registry.ts";
import type { Ended, Live } from "../attempts/live.ts";
import { holdWithoutCommand } from "../experiments/command-hold.ts";
import type { Lab } from "../lab/lab.ts";
import { outputsFor } from "../needs/given-outputs.ts";
import { openAttempts } from "../records/attempt-queries.ts";
import { runningExperiments } from "../records/experiment-queries.ts";
import { runsById, wantedRuns } from "../records/run-queries.ts";
import type { Durability } from "../../store/turn.ts";
import type { Candidate } from "./choice.ts";
import type { Sharing } from "./sharing.ts";
import { conclude, intend, queuedEvent } from "./transitions.ts";

/** What was seen of the attempts since the last record. */
export interface News {
  events: readonly DomainEvent[];
  ended: readonly Ended[];
}

/**
 * Writes, in one transaction, what was seen and what will be started.
 *
 * @param now epoch milliseconds
 * @returns the attempts that are to be made of the candidates; some may have been started by another daemon meanwhile
 */
export function record(
  { store, lanes, data }: Lab,
  sharing: Sharing,
  news: News,
  candidates: readonly Candidate[],
  now: number,
): Promise<Live[]> {
  return store.transact(
    "daemon",
    async (transaction) => {
      const runs = await runsById(transaction.db, [
        ...news.ended.map(({ live }) => live.run.id),
        ...candidates.map((candidate) => candidate.runId),
      ]);
      const open = await openAttempts(transaction.db, [
        ...news.events.map(({ entity }) => entity),
        ...news.ended.map(({ live }) => live.attempt.id),
      ]);
      const endedNow = news.ended.filter(({ live }) => open.has(live.attempt.id));
      const failed = endedNow.filter(({ outcome }) => outcome.state !== "succeeded");
      const wanted = await wantedRuns(
        transaction.db,
        failed.map(({ live }) => live.run.id),
      );
      const conclusions = endedNow.flatMap((ended) => conclude(ended, runs, wanted, now));
      const running = await runningExperiments(transaction.db);
      const seen = news.events.filter(({ entity }) => open.has(entity));
      const free = await sharing.without(transaction.db, candidates);
      const given = await outputsFor(transaction.db, [...runs.values()]);
      const next = free.flatMap((candidate) => intend(candidate, runs, given, running, data.root));
      // All at once: each further append costs a run as much again.
      await transaction.append([...seen, ...conclusions, ...next.map(({ attempt }) => queuedEvent(attempt))]);
      await holdWithoutCommand(
        transaction,
        news.ended.map(({ live, outcome }) => ({ experiment_id: live.experiment.id, exit: outcome.exit })),
      );
      return next;
    },
    durabilityOf(candidates, lanes.here.id),
  );
}

/**
 * Jobs on this machine end with it, and what they had written is found where the log forgot them. What another machine
 * is asked must be known to whoever comes after, or it would be asked twice.
 */
function durabilityOf(candidates: readonly Candidate[], here: string): Durability {
  return candidates.every(({ option }) => option.id === here) ? "soon" : "at-once";
}
