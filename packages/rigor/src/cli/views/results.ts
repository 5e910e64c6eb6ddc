import type {
  CheckFailureView,
  ComparisonView,
  DecisionView,
  ResultsView,
  ResultTableView,
} from "../../api/contract/views/results.ts";
import { halfWidth } from "../../domain/format/numbers.ts";
import { decisionRemarks, noRule, replacementReason, tableTitle, testName } from "../../domain/format/words.ts";
import { gridText, number, plural, shortId, withUncertainty } from "../output/format.ts";
import { facts, table } from "../output/table.ts";
import type { Style } from "../output/terminal.ts";
import { wrap } from "../output/text.ts";
import { holdLines } from "./hold.ts";
import { countsText, experimentReference, experimentState, paintState } from "./words.ts";

export interface Look {
  style: Style;
  columns: number;
  /** Epoch milliseconds. */
  now: number;
}

/** Tables, comparisons, decision, what went wrong, and where everything lies. */
export function resultsLines(results: ResultsView, look: Look): string[] {
  const sections = [
    headLines(results, look),
    ...results.tables.map((one) => resultTableLines(one, look)),
    ...(results.decision === null
      ? []
      : [comparisonsLines(results.decision, look), decisionLines(results, results.decision, look)]),
    ...(results.decision === null ? [undecidedLines(results)] : []),
    noteLines(results, look),
    ...(results.check_failures.length === 0 ? [] : [checkLines(results, look)]),
    ...(results.experiment.hold === null ? [] : [holdLines(results.experiment.hold, look)]),
    whereLines(results, look),
  ];
  return sections
    .filter((section) => section.length > 0)
    .flatMap((section, index) => (index === 0 ? section : ["", ...section]));
}

function headLines({ experiment, hypothesis }: ResultsView, { style }: Look): string[] {
  const state = experimentState(experiment);
  return [
    `${style.bold(experiment.reference)}  ${paintState(style, state)(state)}  ${countsText(experiment.counts, style)}`,
    ...facts(
      [
        ["question", experiment.question],
        ["hypothesis", hypothesis],
      ],
      style.dim,
    ),
  ];
}

/** One metric: a row per arm, a column per task. */
export function resultTableLines(view: ResultTableView, { style, columns }: Look): string[] {
  const cells = view.rows.flatMap((row) => row.cells);
  const title = style.bold(view.metric) + tableTitle(view).slice(view.metric.length);
  if (cells.every(({ n }) => n === 0)) return [title, "  no run that counts has a value"];
  const complete = cells.every(({ n, planned }) => n === planned);
  const lines = table({
    columns: [{ title: "arm" }, ...view.columns.map((title) => ({ title, align: "right" as const }))],
    rows: view.rows.map(({ arm, grid, cells }) => [
      Object.keys(grid).length === 0 ? arm : `${arm} (${gridText(grid)})`,
      ...cells.map((cell) => cellText(cell)),
    ]),
    width: columns,
    header: style.dim,
    paint: (text, row, column) => (view.rows[row]?.cells[column - 1]?.best === true ? style.bold(text) : text),
  });
  const marks = [
    cells.some(({ best }) => best) ? "* best" : null,
    cells.some(({ tied_with_best: tied, best }) => tied && !best) ? "~ not distinguishable from the best" : null,
    complete ? null : "(n/m) only n of m runs have a value",
  ].filter((mark) => mark !== null);
  return [
    title,
    ...lines.map((line) => `  ${line}`),
    ...(marks.length === 0 ? [] : [style.dim(`  ${marks.join("   ")}`)]),
  ];
}

type Cell = ResultTableView["rows"][number]["cells"][number];

function cellText(cell: Cell): string {
  const count = cell.n === cell.planned ? "" : ` (${cell.n}/${cell.planned})`;
  if (cell.mean === null) return `-${count}  `;
  const half = halfWidth(cell);
  const value = half === null ? number(cell.mean) : withUncertainty(cell.mean, half);
  const mark = cell.best ? " *" : cell.tied_with_best ? " ~" : "  ";
  return `${value}${count}${mark}`;
}

function comparisonsLines({ comparisons }: DecisionView, look: Look): string[] {
  if (comparisons.length === 0) return [];
  return [
    look.style.bold("Comparisons"),
    ...comparisons.flatMap((one) => comparisonLines(one, look).map((line) => `  ${line}`)),
  ];
}

/** What was compared and how it ended; then effect, interval, p value and what follows from them. */
export function comparisonLines(one: ComparisonView, { style }: Pick<Look, "style">): string[] {
  const where = one.task ?? "all tasks";
  // The reason stands alone elsewhere, so it names the arms again.
  const known = `${one.better} against ${one.than} on ${one.metric}: `;
  const reason = one.reason.startsWith(known) ? one.reason.slice(known.length) : one.reason;
  const test = [testName(one.test, one.method), replacementReason(one.test, one.method)].filter(Boolean).join(" ");
  return [
    `${paintState(style, one.verdict)(one.verdict)}: ${one.better} better than ${one.than} on ${one.metric}, ${where} (${test})`,
    `  ${reason}`,
  ];
}

function decisionLines({ provisional }: ResultsView, decision: DecisionView, { style, columns }: Look): string[] {
  const word = paintState(style, decision.outcome)(decision.outcome);
  const width = Math.min(columns, 110) - 2;
  return [
    `${style.bold(provisional ? "Decision so far (provisional)" : "Decision")}: ${word}. ${decision.reason}`,
    ...decisionRemarks(decision).flatMap((detail) => wrap(detail, width).map((line) => `  ${line}`)),
  ];
}

function undecidedLines({ experiment, missing_runs: missing }: ResultsView): string[] {
  if (missing > 0 && (experiment.state === "running" || experiment.state === "deciding")) {
    return [`Provisional: ${plural(missing, "run")} without a valid result so far.`];
  }
  if (missing > 0) return [`No decision: ${plural(missing, "run")} without a valid result.`];
  return experiment.state === "decided" ? [noRule] : [];
}

function noteLines({ notes }: ResultsView, { style, columns }: Look): string[] {
  if (notes.length === 0) return [];
  const width = Math.min(columns, 110) - 2;
  return [style.bold("Notes"), ...notes.flatMap((note) => wrap(note, width).map((line) => `  ${line}`))];
}

const remedies: Readonly<Record<string, string>> = {
  "all-present": "Run what is missing: `rigor rerun EXPERIMENT --failed`.",
  "seeds-differ": "See that the run uses its seed, or list the metric under checks.constant_allowed.",
  "above-chance": "Mend the baseline, or correct the chance level under checks.chance.",
  "same-inputs": "See that every arm reads the same data for a seed, or set checks.same_inputs: false.",
  "metrics-present": "See that the run reports every metric of the file.",
  "metrics-finite": "Look at the log for where the value went wrong: `rigor logs RUN`.",
  "metrics-in-range": "Mend the run, or correct the range of the metric.",
  "metrics-not-zero": "Mend the run, or list the metric under checks.zero_allowed.",
  "artifacts-present": "See that the run writes every file under outputs.artifacts.",
};

function checkLines({ check_failures: failures, experiment }: ResultsView, { style }: Look): string[] {
  return [
    style.bold("Checks that failed"),
    ...failures.flatMap((failure) => checkFailureLines(failure, experiment).map((line) => `  ${line}`)),
  ];
}

function checkFailureLines(
  { rule, message, run_ids: ids }: CheckFailureView,
  experiment: ResultsView["experiment"],
): string[] {
  const shown = ids.slice(0, 4).map(shortId).join(", ");
  const more = ids.length > 4 ? ` and ${ids.length - 4} more` : "";
  const remedy = (remedies[rule] ?? "Mend the cause, then run it again: `rigor rerun EXPERIMENT --failed`.")
    .replace("EXPERIMENT", experimentReference(experiment))
    .replace("RUN", ids[0] === undefined ? "RUN" : shortId(ids[0]));
  return [`${rule}: ${message}`, ...(ids.length === 0 ? [] : [`  runs ${shown}${more}`]), `  ${remedy}`];
}

/** Which commits results were made from, and how many of each where there are several. */
function commitsText({ commits, where }: ResultsView): string {
  if (commits.length < 2) return `commit ${shortId(commits[0]?.commit ?? where.commit)}`;
  return commits.map(({ commit, runs }) => `commit ${shortId(commit)} (${plural(runs, "run")})`).join(", ");
}

function whereLines(results: ResultsView, { style }: Look): string[] {
  const { where, experiment } = results;
  const name = experimentReference(experiment);
  return [
    style.bold("Where everything lies"),
    ...facts(
      [
        ["file", where.file],
        ["code", `${commitsText(results)} in ${where.repository}`],
        ["attempts", where.attempts],
        ["data", where.data_directory],
        ["this again", `rigor results ${name}`],
        ["its runs", `rigor list ${name}, then rigor show RUN`],
        ["to a file", `rigor export ${name} --output ${name}.csv`],
      ],
      style.dim,
    ),
  ];
}
