import type { BlockContent, PhrasingContent, RootContent } from "mdast";
import { plural } from "../../domain/format/numbers.ts";
import { decisionRemarks, gridText, noRule, shortId } from "../../domain/format/words.ts";
import { comparisonTextTable, resultTextTable } from "../text-table.ts";
import { chosenComparison, comparisonSource, runsOf } from "./comparisons.ts";
import type { Directive } from "./directives.ts";
import type { DocumentFacts, MeasuredComparison, MeasuredTable } from "./facts.ts";
import { comparisonFigure, metricFigure, type FigureData } from "./figure-data.ts";
import { cellContent, code, list, named, paragraph, sentences, strong, table, text } from "./nodes.ts";
import { cellText, type Measured } from "./values.ts";

/** How a target shows a number together with the runs that it rests on. */
export interface Citing {
  /** A number in a sentence. */
  number: (content: PhrasingContent[], source: Pick<Measured, "about" | "runs">) => PhrasingContent[];
  /** A number in a table, where little room is. */
  cell: (content: PhrasingContent[], source: Pick<Measured, "about" | "runs">) => PhrasingContent[];
  /** What ends the caption of a figure. */
  whole: (source: Pick<Measured, "about" | "runs">) => PhrasingContent[];
  figure: (figure: FigureData, caption: PhrasingContent[]) => RootContent[];
}

/** What stands in place of a directive on a line of its own. @param directive that was found to be right */
export function resolveBlock(directive: Directive, facts: DocumentFacts, citing: Citing): RootContent[] {
  const { name, attributes, label } = directive;
  switch (name) {
    case "table":
      return resultBlock(tableNamed(attributes["metric"], facts), citing);
    case "comparisons":
      return comparisonsBlock(facts, citing);
    case "figure":
      return figureBlock(directive, facts, citing);
    case "decision":
      return decisionBlock(facts);
    case "confidence":
      return confidenceBlock(attributes, facts);
    case "reproduce":
      return reproductionBlock(facts);
    case "write":
      return [{ type: "blockquote", children: [paragraph(strong("Still to be written:"), text(` ${label}`))] }];
    default:
      throw new Error(`${name} is no block`);
  }
}

function tableNamed(metric: string | undefined, { tables }: DocumentFacts): MeasuredTable {
  const found = metric === undefined ? tables[0] : tables.find((one) => one.metric === metric);
  if (found === undefined) throw new Error(`there is no table of ${metric}`);
  return found;
}

/** Every run stands at the end of the document. */
const allRuns: PhrasingContent = { type: "link", url: "#runs", children: [{ type: "text", value: "Runs" }] };

function resultBlock(measured: MeasuredTable, citing: Citing): BlockContent[] {
  const shown = resultTextTable(measured);
  const grid = shown.columns.length - 1 - measured.columns.length;
  const rows = measured.rows.map(({ arm, grid: point, cells }, index) =>
    (shown.rows[index] ?? []).map((content, column) => {
      const cell = cells[column - 1 - grid];
      const pieces = cellContent(content);
      return cell === undefined || cell.n === 0
        ? pieces
        : citing.cell(pieces, {
            about: `${measured.metric} of ${cellText({ arm, grid: point, cell })}`,
            runs: cell.values,
          });
    }),
  );
  return [named(paragraph(text(`${shown.caption} `), allRuns), "caption"), table(shown.columns, rows)];
}

function comparisonsBlock(facts: DocumentFacts, citing: Citing): BlockContent[] {
  const { comparisons, correction } = decisionOf(facts);
  const { caption, columns, rows } = comparisonTextTable(comparisons, correction);
  const linked = comparisons.map((one, index) => {
    const [first = [], ...others] = (rows[index] ?? []).map(cellContent);
    return [citing.cell(first, { about: comparisonSource(one), runs: runsOf(one, facts) }), ...others];
  });
  return [named(paragraph(text(caption)), "caption"), table(columns, linked)];
}

function decisionOf({ decision }: DocumentFacts) {
  if (decision === null) throw new Error("there is no decision");
  return decision;
}

function figureBlock({ attributes }: Directive, facts: DocumentFacts, citing: Citing): RootContent[] {
  const metric = attributes["metric"];
  if (metric !== undefined) {
    const measured = tableNamed(metric, facts);
    const figure = metricFigure(measured);
    return citing.figure(figure, [text(`${figure.title}.${figure.caption} `), allRuns]);
  }
  const comparison = chosenComparison(attributes["comparison"], facts);
  if ("next" in comparison) throw new Error(comparison.message);
  const number = decisionOf(facts).comparisons.indexOf(comparison) + 1;
  const figure = comparisonFigure(comparison, number, facts);
  const source = { about: comparisonSource(comparison), runs: runsOf(comparison, facts) };
  return citing.figure(figure, [...sentences(comparisonCaption(comparison, number, figure)), ...citing.whole(source)]);
}

/** A reason names what was compared, unless there is nothing to say of it. */
function comparisonCaption(comparison: MeasuredComparison, number: number, { title, caption }: FigureData): string {
  const { reason, better, than, metric } = comparison;
  const where = comparison.task ?? "all tasks";
  const complete = reason.startsWith(`${better} against ${than} on ${metric}`);
  return `${complete ? `Comparison ${number}, ${where}:` : `${title}.`} ${sentence(reason)}${caption}`;
}

function sentence(reason: string): string {
  return reason.endsWith(".") ? reason : `${reason}.`;
}

function decisionBlock({ decision, notes, confidence }: DocumentFacts): BlockContent[] {
  if (decision === null) {
    return [paragraph(text(noRule)), ...(notes.length === 0 ? [] : [list(notes.map(sentences))])];
  }
  const { outcome, provisional, reason, comparisons } = decision;
  return [
    named(
      paragraph(
        strong(provisional ? `Provisional, not decided yet: ${outcome}.` : `Decision: ${outcome}.`),
        text(` ${reason}`),
      ),
      `outcome-${outcome}`,
    ),
    list([
      ...comparisons.map(({ verdict, task, reason }) => [
        strong(verdict),
        ...sentences(`${task === null ? "" : ` on ${task}`}: ${reason}`),
      ]),
      ...[...decisionRemarks({ ...decision, confidence }), ...notes].map(sentences),
    ]),
  ];
}

function confidenceBlock(
  attributes: Readonly<Record<string, string>>,
  { confidence: { cap, reasons } }: DocumentFacts,
): BlockContent[] {
  const level = attributes["level"] ?? cap;
  const reason = (attributes["reason"] ?? "").trim();
  const limit = reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
  return [
    named(
      paragraph(
        strong(`Confidence: ${level}.`),
        text(`${reason === "" ? "" : ` ${sentence(reason)}`} The evidence allows at most ${cap}${limit}.`),
      ),
      `confidence-${level}`,
    ),
  ];
}

/** Command, code, environment and inputs as they were recorded. */
function reproductionBlock({ experiment, reproduction, definition }: DocumentFacts): BlockContent[] {
  const { commits, snapshot_of, command, environment, inputs } = reproduction;
  const { manager, lock, lock_hash: hash, setup } = environment;
  const items: PhrasingContent[][] = [
    [text("Experiment: "), code(experiment.reference), text(", plan "), code(experiment.plan_hash)],
    ...commits.map(({ commit, runs }) => [
      text("Commit: "),
      code(commit),
      text(commits.length === 1 ? "" : ` (${plural(runs, "run")})`),
    ]),
    ...(snapshot_of === null
      ? []
      : [[text("The commit is a snapshot of a changed tree; it was based on "), code(snapshot_of)]]),
    [text("Code that identifies a run: "), ...joined(definition.code.map(code))],
    [text("Command of each run: "), code(command)],
    [
      text(`Environment: ${manager}`),
      ...(lock === null ? [] : [text(", lock "), code(lock)]),
      ...(hash === null ? [] : [text(" with SHA-256 "), code(hash)]),
      ...(setup === null ? [] : [text(", set up by "), code(setup)]),
    ],
    ...inputs.map(({ name, path, sha256 }) => [
      text(`Input ${name}: `),
      code(path),
      text(" with SHA-256 "),
      code(sha256),
    ]),
  ];
  return [
    list(items),
    paragraph(text("At that commit this makes every run again, or says that it is done:")),
    { type: "code", lang: "sh", value: `rigor run ${experiment.file.replace(/[\p{Cc}]+/gu, " ")}` },
    paragraph(
      code("rigor show RUN"),
      text(" gives the commands that repeat one run by hand. The runs are listed below."),
    ),
  ];
}

function joined(parts: readonly PhrasingContent[]): PhrasingContent[] {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [text(", "), part]));
}

/** Every run that counts, whatever the text says of it. */
export function runsBlock({ runs, definition }: DocumentFacts, idOf: (run: string) => PhrasingContent): BlockContent[] {
  const grids = Object.keys(definition.parameters).length > 0;
  const metrics = Object.keys(definition.metrics);
  const columns = [
    "run",
    "arm",
    "task",
    ...(grids ? ["parameters"] : []),
    "seed",
    ...metrics,
    "host",
    "commit",
    "finished",
  ];
  const right = new Set(["seed", ...metrics]);
  const rows = runs.map(({ run_id, arm, task, grid, seed, state, result }) => [
    [idOf(run_id)],
    ...[arm, task, ...(grids ? [gridText(grid)] : []), String(seed)].map((value) => [text(value)]),
    ...metrics.map((metric) => [text(result === null ? state : String(result.metrics[metric] ?? "–"))]),
    [text(result?.host ?? "–")],
    [result === null ? text("–") : code(shortId(result.commit))],
    [text(result?.finished_at ?? "–")],
  ]);
  return [
    paragraph(text("The runs that count, with their values as they were recorded.")),
    table(
      columns.map((title) => ({ title, align: right.has(title) ? "right" : "left" })),
      rows,
    ),
  ];
}
