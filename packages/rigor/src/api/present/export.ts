import type { Kysely } from "kysely";
import type { Lab } from "../../bench/lab.ts";
import { placedRuns } from "../../bench/queries.ts";
import { plural } from "../../domain/format/numbers.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import type { TidyRow } from "../../reports/csv.ts";
import { exportText, type ExportFormat } from "../../reports/export.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import type { ResultsView } from "../contract/views.ts";
import { presentResults } from "./results.ts";

/**
 * The results of an experiment as a text. As in the decision, only valid results of the final stage count: runs that
 * only a pilot asked for are in no export.
 */
export async function exportResults(
  lab: Pick<Lab, "store" | "data">,
  experiment: ExperimentRecord,
  format: ExportFormat,
): Promise<string> {
  const { db } = lab.store;
  const runs = await placedRuns(db, experiment.id);
  const { hypothesis, tables, decision, provisional, commits, ...rest } = await presentResults(lab, experiment, runs);
  return exportText(format, {
    experiment: {
      reference: reference(experiment),
      question: experiment.definition.question,
      hypothesis,
      commits: commits.length === 0 ? [{ commit: experiment.source.commit, runs: 0 }] : commits,
    },
    tables,
    decision: decision === null ? null : { ...decision, provisional },
    notes: notesOf(rest),
    rows: format === "csv" ? await tidyRows(db, experiment) : [],
  });
}

function notesOf({
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

/** The values that count in the order of the plan, each with the attempt that measured it. One query, so that both belong together. */
async function tidyRows(db: Kysely<Database>, experiment: ExperimentRecord): Promise<TidyRow[]> {
  const rows = await db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .innerJoin("attempts", "attempts.id", "runs.result_attempt")
    .innerJoin("results", "results.attempt_id", "attempts.id")
    .innerJoin("experiments", "experiments.id", "attempts.experiment_id")
    .select([
      "placements.run_id",
      "placements.arm",
      "placements.task",
      "placements.seed",
      "runs.parameters",
      "attempts.host",
      "attempts.finished_at",
      "results.metrics",
      // A run that is shared ran with the code of the experiment that asked for it first.
      "experiments.source",
    ])
    .where("placements.experiment_id", "=", experiment.id)
    .where("placements.in_final_stage", "=", 1)
    .where("runs.state", "=", "done")
    .orderBy("placements.position")
    .execute();
  const declared = Object.keys(experiment.definition.metrics);
  return rows.flatMap(({ run_id: run, arm, task, seed, host, finished_at, ...encoded }) => {
    const { parameters } = decodeRow("runs", { parameters: encoded.parameters });
    const { metrics } = decodeRow("results", { metrics: encoded.metrics });
    const { commit } = decodeRow("experiments", { source: encoded.source }).source;
    const at = { experiment: reference(experiment), run, arm, task, parameters, seed, host, commit, finished_at };
    return inOrder(metrics, declared).map(([metric, value]) => ({ ...at, metric, value }));
  });
}

/** Declared metrics in their order, then what was reported besides. */
function inOrder(metrics: Readonly<Record<string, number>>, declared: readonly string[]): [string, number][] {
  const rank = (name: string): number => (declared.includes(name) ? declared.indexOf(name) : declared.length);
  return Object.entries(metrics).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
