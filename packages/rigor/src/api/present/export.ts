import type { Kysely } from "kysely";
import type { Lab } from "../../bench/lab/lab.ts";
import { makersOf, placedRuns, type PlacedRun } from "../../bench/records/placed-runs.ts";
import { commitsOf } from "../../bench/experiments/unlisted-changes.ts";
import { plural } from "../../domain/format/numbers.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { tidyCsv, type TidyRow } from "../../reports/csv.ts";
import { reportText, type ReportFormat } from "../../reports/export.ts";
import type { Database } from "../../store/tables.ts";
import type { ResultsView } from "../contract/views/results.ts";
import { presentResults } from "./results.ts";

/**
 * The results of an experiment as a text. As in the decision, only valid results of the final stage count: runs that
 * only a pilot asked for are in no export.
 */
export async function exportResults(
  lab: Pick<Lab, "store" | "data">,
  experiment: ExperimentRecord,
  format: ReportFormat | "csv",
): Promise<string> {
  const { db } = lab.store;
  const runs = await placedRuns(db, experiment.id);
  if (format === "csv") return tidyCsv(await tidyRows(db, experiment, runs));
  const { hypothesis, tables, decision, provisional, commits, ...rest } = await presentResults(lab, experiment, runs);
  return reportText(format, {
    experiment: {
      reference: reference(experiment),
      question: experiment.definition.question,
      hypothesis,
      commits: commits.length === 0 ? [{ commit: experiment.source.commit, runs: 0 }] : commits,
    },
    tables,
    decision: decision === null ? null : { ...decision, provisional },
    notes: notesOf(rest),
  });
}

/** What a reader of results must know besides, in sentences. */
export function notesOf({
  missing_runs: missing,
  check_failures: failures,
  notes,
}: Pick<ResultsView, "missing_runs" | "check_failures" | "notes">) {
  return [
    ...(missing === 0 ? [] : [`${plural(missing, "planned run has", "planned runs have")} no valid result.`]),
    ...failures.map(({ rule, message }) => `Failed check ${rule}: ${message}`),
    ...notes,
  ];
}

/** The values that count in the order of the plan, each with the attempt that measured it. */
async function tidyRows(
  db: Kysely<Database>,
  experiment: ExperimentRecord,
  runs: readonly PlacedRun[],
): Promise<TidyRow[]> {
  // A run that is shared ran with the code of the experiment that it was made for.
  const commits = await commitsOf(db, [...makersOf(runs).keys()]);
  const declared = Object.keys(experiment.definition.metrics);
  return runs.flatMap(({ run_id: run, arm, task, seed, parameters, in_final_stage, result }) => {
    if (result === null || !in_final_stage) return [];
    const { metrics, made_for, host, finished_at } = result;
    const commit = commits.get(made_for);
    if (commit === undefined) throw new Error(`there is no experiment ${made_for}, for which run ${run} was made`);
    const at = { experiment: reference(experiment), run, arm, task, parameters, seed, host, commit, finished_at };
    return inOrder(metrics, declared).map(([metric, value]) => ({ ...at, metric, value }));
  });
}

/** Declared metrics in their order, then what was reported besides. */
function inOrder(metrics: Readonly<Record<string, number>>, declared: readonly string[]): [string, number][] {
  const rank = (name: string): number => (declared.includes(name) ? declared.indexOf(name) : declared.length);
  return Object.entries(metrics).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
