import { confidenceOf, countedRuns, type ExperimentDecision } from "../../bench/experiments/decide.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { makersOf, placedRuns, type PlacedRun } from "../../bench/records/placed-runs.ts";
import { commitsOf } from "../../bench/experiments/unlisted-changes.ts";
import { confidenceCap, type ConfidenceCap, type ConfidenceInput } from "../../statistics/confidence.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import type { DocumentFacts, DocumentRun, Reproduction } from "../../reports/document/facts.ts";
import { notesOf } from "./export.ts";
import { presentResults } from "./results.ts";

/** What else decides how far a result may be trusted: nothing that its own runs show. */
export type Evidence = Pick<ConfidenceInput, "open_concerns" | "reproduced">;

export const noEvidence: Evidence = { open_concerns: 0, reproduced: false };

/** What a document of an experiment may show: as in the decision, valid results of the final stage. */
export async function documentFacts(
  lab: Pick<Lab, "store" | "data">,
  experiment: ExperimentRecord,
  evidence: Evidence = noEvidence,
): Promise<DocumentFacts> {
  const { db } = lab.store;
  const { definition } = experiment;
  const runs = await placedRuns(db, experiment.id);
  const counted = countedRuns(experiment, runs);
  const results = await presentResults(lab, experiment, runs);
  const commits = await commitsOf(db, [...makersOf(counted).keys()]);
  return {
    experiment: { reference: reference(experiment), file: experiment.file, plan_hash: experiment.plan_hash },
    definition,
    tables: results.tables,
    decision: results.decision === null ? null : { ...results.decision, provisional: results.provisional },
    notes: notesOf(results),
    runs: counted.map((run) => documentRun(run, commits)),
    confidence: confidence(counted, results.decision as ExperimentDecision | null, evidence),
    reproduction: reproductionOf(experiment, results.commits),
  };
}

function documentRun(
  { run_id, arm, task, grid, seed, state, result }: PlacedRun,
  commits: ReadonlyMap<string, string>,
): DocumentRun {
  if (result === null) return { run_id, arm, task, grid, seed, state, result: null };
  const { metrics, made_for, host, finished_at } = result;
  const commit = commits.get(made_for);
  if (commit === undefined) throw new Error(`there is no experiment ${made_for}, for which run ${run_id} was made`);
  return { run_id, arm, task, grid, seed, state, result: { metrics, host, commit, finished_at } };
}

/** Without a decision rule nothing was tested, and what was measured may still be trusted moderately. */
function confidence(
  counted: readonly PlacedRun[],
  decision: ExperimentDecision | null,
  evidence: Evidence,
): ConfidenceCap {
  if (decision !== null && decision.comparisons.length > 0)
    return confidenceOf(counted, decision.comparisons, evidence);
  const measured = counted.filter(({ result }) => result !== null);
  return confidenceCap({ seeds: new Set(measured.map(({ seed }) => seed)).size, effects: [], ...evidence });
}

function reproductionOf(
  { source, environment, inputs, definition }: ExperimentRecord,
  commits: Reproduction["commits"],
): Reproduction {
  const { manager, lock, lock_hash, setup } = environment;
  return {
    commits: commits.length === 0 ? [{ commit: source.commit, runs: 0 }] : commits,
    snapshot_of: source.dirty ? source.base : null,
    command: typeof definition.run === "string" ? definition.run : JSON.stringify(definition.run),
    environment: { manager, lock, lock_hash, setup },
    inputs: Object.entries(inputs).map(([name, { path, sha256 }]) => ({ name, path, sha256 })),
  };
}
