import {
  codeNote,
  countedRuns,
  decideExperiment,
  placesOf,
  type ExperimentDecision,
} from "../../bench/experiments/decide.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { makersOf, measurementsOf, type PlacedRun } from "../../bench/records/placed-runs.ts";
import { codeSince } from "../../bench/experiments/staleness.ts";
import { commitUses, compareCode, unlistedChanges, type CommitUse } from "../../bench/experiments/unlisted-changes.ts";
import { metricsOf } from "../../domain/design.ts";
import { canonicalJson } from "../../domain/canonical.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { emptyTally } from "../../domain/rules/experiment-rules.ts";
import type { AcrossFailure } from "../../statistics/checks-across.ts";
import { groupBy } from "../../statistics/places.ts";
import type {
  CheckFailureView,
  DecisionView,
  ResultTableView,
  ResultsView,
  UnlistedChangesView,
} from "../contract/views/results.ts";
import { summarize } from "./experiments.ts";

/** Tables, decision and checks of an experiment as far as it is, and what its results rest on. */
export async function presentResults(
  { store: { db }, data }: Pick<Lab, "store" | "data">,
  experiment: ExperimentRecord,
  runs: readonly PlacedRun[],
): Promise<ResultsView> {
  const { definition, source } = experiment;
  const counts = emptyTally();
  for (const run of runs) counts[run.state] += 1;
  const counted = countedRuns(experiment, runs);
  const metrics = [
    definition.primary_metric,
    ...Object.keys(definition.metrics).filter((one) => one !== definition.primary_metric),
  ];
  const makers = makersOf(counted);
  const code = await compareCode(db, experiment, [...makers.keys()], source);
  const since = await codeSince(db, experiment, makers, counted.length);
  const decided = experiment.state === "decided" || experiment.decision !== null;
  const decision = decided
    ? (experiment.decision as ExperimentDecision | null)
    : await decideExperiment(experiment, runs, code);
  const told = new Set(decision?.notes);
  const mixed = codeNote(experiment, counted, code);
  return {
    experiment: await summarize(db, experiment, counts),
    hypothesis: definition.hypothesis,
    tables: await Promise.all(metrics.map((metric) => table(experiment, metric, counted))),
    decision: decision as DecisionView | null,
    provisional: !decided,
    commits: commitUses(makers, code).map(({ commit, runs: count }) => ({ commit, runs: count })),
    stale: since.stale,
    unlisted_changes: presentUnlisted(since.uses),
    notes: [mixed, since.note].filter((note) => note !== null).filter((note) => !told.has(note)),
    check_failures: checkFailures(experiment, runs),
    missing_runs: runs.filter((run) => run.in_final_stage && run.state !== "done").length,
    where: {
      data_directory: data.root,
      attempts: data.attempts,
      repository: source.repository,
      commit: source.commit,
      file: experiment.file,
    },
  };
}

const mostPaths = 200;

export function presentUnlisted(uses: readonly CommitUse[]): UnlistedChangesView[] {
  return unlistedChanges(uses).map(({ unlisted, ...use }) => ({
    ...use,
    paths: unlisted?.slice(0, mostPaths) ?? null,
  }));
}

async function table(
  experiment: ExperimentRecord,
  metric: string,
  counted: readonly PlacedRun[],
): Promise<ResultTableView> {
  const { resultTable } = await import("../../statistics/table.ts");
  const planned = placesOf(counted).filter(({ arm }) => metricsOf(experiment.definition, arm).includes(metric));
  const perCell = groupBy(planned, ({ arm, task, grid }) => canonicalJson([arm, task, grid]));
  const made = resultTable({
    experiment: experiment.definition,
    metric,
    planned,
    measurements: measurementsOf(counted),
  });
  return {
    ...made,
    rows: made.rows.map((row) => ({
      ...row,
      cells: row.cells.map((cell) => ({
        ...cell,
        planned: perCell.get(canonicalJson([row.arm, cell.task, row.grid]))?.length ?? 0,
      })),
    })),
  };
}

/** What holds now: a failure whose runs were run again since is history, and is in the log. */
function checkFailures(experiment: ExperimentRecord, runs: readonly PlacedRun[]): CheckFailureView[] {
  const across = (experiment.check_failures as unknown as AcrossFailure[]).map((failure) => {
    const { rule, message, run_ids, values } = failure;
    return { rule, message, run_ids, values };
  });
  const invalid = new Set(runs.filter((run) => run.state === "invalid").map((run) => run.run_id));
  const present = across.filter(({ run_ids }) => run_ids.length === 0 || run_ids.some((id) => invalid.has(id)));
  const told = new Set(present.map(({ rule, message }) => `${rule}\n${message}`));
  return [...present, ...ownFailures(runs).filter(({ rule, message }) => !told.has(`${rule}\n${message}`))];
}

/** Runs that their own checks made invalid, one line for each rule and message. */
function ownFailures(runs: readonly PlacedRun[]): CheckFailureView[] {
  const invalid = runs.filter((run) => run.state === "invalid" && run.reason !== null);
  const groups = groupBy(invalid, (run) => `${run.reason?.code}\n${run.reason?.message}`);
  return [...groups.values()].map((group) => ({
    rule: group[0]?.reason?.code ?? "",
    message: group[0]?.reason?.message ?? "",
    run_ids: group.map((run) => run.run_id),
    values: null,
  }));
}
