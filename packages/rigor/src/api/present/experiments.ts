import type { Kysely } from "kysely";
import type { ExperimentDecision } from "../../bench/decide.ts";
import { tallies } from "../../bench/queries.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { emptyTally, reference, type Tally } from "../../domain/rules/experiment-rules.ts";
import type { Database } from "../../store/tables.ts";
import type { ExperimentSummary } from "../contract/views.ts";

export function summarize(experiment: ExperimentRecord, counts: Tally): ExperimentSummary {
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
    created_at: experiment.created_at,
    decided_at: experiment.decided_at,
  };
}

/** Summaries of several experiments with one query for their runs. */
export async function summarizeAll(
  db: Kysely<Database>,
  experiments: readonly ExperimentRecord[],
): Promise<ExperimentSummary[]> {
  const counts = await tallies(
    db,
    experiments.map((one) => one.id),
  );
  return experiments.map((one) => summarize(one, counts.get(one.id) ?? emptyTally()));
}
