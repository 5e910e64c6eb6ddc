import type { Kysely } from "kysely";
import type { ExperimentDecision } from "../../bench/experiments/decide.ts";
import { tallies } from "../../bench/records/run-queries.ts";
import { retriesOf, type Retries } from "../../bench/dispatch/retries.ts";
import { awaitedExperiments, type AwaitedExperiment } from "../../bench/needs/run-waits.ts";
import { waitingGroups, type WaitingGroup } from "../../bench/attempts/waits.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { emptyTally, reference, type Tally } from "../../domain/rules/experiment-rules.ts";
import type { Database } from "../../store/tables.ts";
import type { ExperimentSummary } from "../contract/views/experiments.ts";

function summaryOf(
  experiment: ExperimentRecord,
  counts: Tally,
  waiting: readonly WaitingGroup[],
  waitingFor: readonly AwaitedExperiment[],
  retries: Retries | null,
): ExperimentSummary {
  const { definition, source, decision } = experiment;
  const stage = definition.stages[experiment.stage];
  return {
    id: experiment.id,
    reference: reference(experiment),
    name: experiment.name,
    version: experiment.version,
    state: experiment.state,
    outcome: (decision as ExperimentDecision | null)?.outcome ?? null,
    question: definition.question,
    file: experiment.file,
    repository: source.repository,
    commit: source.commit,
    plan_hash: experiment.plan_hash,
    stage: { index: experiment.stage, name: stage?.name ?? "", of: definition.stages.length },
    counts,
    total_runs: experiment.total_runs,
    hold: experiment.hold,
    waiting: [...waiting],
    waiting_for: [...waitingFor],
    retries,
    created_at: experiment.created_at,
    decided_at: experiment.decided_at,
  };
}

/** @param counts of its runs, where they are known already */
export async function summarize(
  db: Kysely<Database>,
  experiment: ExperimentRecord,
  counts?: Tally,
): Promise<ExperimentSummary> {
  const { id } = experiment;
  const tally = counts ?? (await tallies(db, [id])).get(id) ?? emptyTally();
  const waiting = (await waitingGroups(db, [id])).get(id) ?? [];
  const awaited = (await awaitedExperiments(db, [id])).get(id) ?? [];
  return summaryOf(experiment, tally, waiting, awaited, (await retriesOf(db, [id], Date.now())).get(id) ?? null);
}

/** Summaries of several experiments with one query for their runs. */
export async function summarizeAll(
  db: Kysely<Database>,
  experiments: readonly ExperimentRecord[],
): Promise<ExperimentSummary[]> {
  const ids = experiments.map((one) => one.id);
  const counts = await tallies(db, ids);
  const waiting = await waitingGroups(db, ids);
  const awaited = await awaitedExperiments(db, ids);
  const pending = ids.filter((id) => (counts.get(id)?.pending ?? 0) > 0);
  const retries = await retriesOf(db, pending, Date.now());
  return experiments.map((one) =>
    summaryOf(
      one,
      counts.get(one.id) ?? emptyTally(),
      waiting.get(one.id) ?? [],
      awaited.get(one.id) ?? [],
      retries.get(one.id) ?? null,
    ),
  );
}
