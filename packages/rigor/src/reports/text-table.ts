import { halfWidth, percent, plural, pText, roundedBy } from "../domain/format/numbers.ts";
import { correctionText, parameterText, replacementReason, tableTitle, testName } from "../domain/format/words.ts";
import { tieAlpha } from "../domain/rules/table-rules.ts";
import type { ComparisonResult } from "../statistics/decision.ts";
import type { ResultCell, ResultTable } from "../statistics/table.ts";

/** What a table says, before any markup. */
export interface TextTable {
  caption: string;
  columns: { title: string; align: "left" | "right" }[];
  rows: TextCell[][];
}

/** Pieces that follow each other. */
export type TextCell = readonly (string | Quantity)[];

/** A number, with its uncertainty if it has one, times ten to the `exponent`. */
export interface Quantity {
  value: string;
  half: string | null;
  exponent: number;
  bold: boolean;
}

/** A result table with the number of seeds that the plan asks for in each cell. */
export type PlannedTable = Omit<ResultTable, "rows"> & {
  rows: (Omit<ResultTable["rows"][number], "cells" | "role"> & { cells: PlannedCell[] })[];
};

type PlannedCell = Omit<ResultCell, "values"> & { planned: number };

/** What a report says of one comparison. */
export type ReportedComparison = Pick<
  ComparisonResult,
  | "better"
  | "than"
  | "metric"
  | "unit"
  | "task"
  | "effect"
  | "interval"
  | "n_better"
  | "n_than"
  | "n_pairs"
  | "adjusted_p"
  | "method"
> & { test: string; verdict: string; reason: string };

const missing = "–";
const tied = "†";

/** A row for each arm and grid point, a column for each task: mean and half-width of the interval. */
export function resultTextTable(table: PlannedTable): TextTable {
  const grid = [...new Set(table.rows.flatMap((row) => Object.keys(row.grid)))];
  const left = ["arm", ...grid].map((title) => ({ title, align: "left" as const }));
  const right = table.columns.map((title) => ({ title, align: "right" as const }));
  return {
    caption: resultCaption(table),
    columns: [...left, ...right],
    rows: table.rows.map((row) => [
      [row.arm],
      ...grid.map((name) => [Object.hasOwn(row.grid, name) ? parameterText(row.grid[name]) : missing]),
      ...row.cells.map(resultCell),
    ]),
  };
}

function resultCell(cell: PlannedCell): TextCell {
  const count = cell.n === cell.planned ? [] : [` (n = ${cell.n} of ${cell.planned})`];
  if (cell.mean === null) return [missing, ...count];
  const mark = cell.tied_with_best && !cell.best ? [` ${tied}`] : [];
  return [meanQuantity(cell.mean, halfWidth(cell), cell.best), ...mark, ...count];
}

function meanQuantity(mean: number, half: number | null, bold: boolean): Quantity {
  const { texts, exponent } = roundedBy(half, half === null ? [mean] : [mean, half], "few");
  return { value: texts[0] ?? "", half: texts[1] ?? null, exponent, bold };
}

function resultCaption(table: PlannedTable): string {
  const cells = table.rows.flatMap((row) => row.cells);
  const measured = cells.filter((cell) => cell.mean !== null);
  const sentences = [
    `${tableTitle(table)}.`,
    measured.some((cell) => halfWidth(cell) === null) ? "A value without an interval is of one seed." : null,
    cells.some(({ best }) => best) ? "Bold: best of its column." : null,
    cells.some((cell) => cell.tied_with_best && !cell.best)
      ? `${tied}: within noise of the best of its column (paired t test over shared seeds, p ≥ ${tieAlpha} without correction; where it cannot be tested, intervals that overlap).`
      : null,
    cells.some(({ n, planned }) => n !== planned) ? "n = k of m: only k of m planned seeds have a valid value." : null,
    measured.length < cells.length ? `${missing}: no value.` : null,
  ];
  return sentences.filter((sentence) => sentence !== null).join(" ");
}

/** A row for each comparison of the decision rule. What is the same for all of them stands in the caption. */
export function comparisonTextTable(comparisons: readonly ReportedComparison[], correction: string): TextTable {
  const facts: Fact[] = [
    { title: "metric", text: ({ metric }) => metric },
    { title: "task", text: ({ task }) => task ?? "all tasks" },
    { title: "test", text: ({ test, method }) => testName(test, method) },
  ];
  const varying = facts.filter((fact) => common(fact, comparisons) === null);
  const left = ["comparison", ...varying.map(({ title }) => title)];
  const right = ["effect", "interval", "n", "adjusted p", "verdict"];
  return {
    caption: comparisonCaption(facts, comparisons, correction),
    columns: [
      ...left.map((title) => ({ title, align: "left" as const })),
      ...right.map((title) => ({ title, align: "right" as const })),
    ],
    rows: comparisons.map((one) => [
      [`${one.better} against ${one.than}`],
      ...varying.map(({ text }) => [text(one)]),
      ...effectCells(one),
      [one.n_pairs === null ? `${one.n_better} and ${one.n_than} values` : plural(one.n_pairs, "pair")],
      [one.adjusted_p === null ? missing : pText(one.adjusted_p)],
      [one.verdict],
    ]),
  };
}

interface Fact {
  title: string;
  text: (one: ReportedComparison) => string;
}

/** What a fact is for all comparisons; null where they differ. */
function common({ text }: Fact, comparisons: readonly ReportedComparison[]): string | null {
  const [first, ...others] = new Set(comparisons.map(text));
  return first === undefined || others.length > 0 ? null : first;
}

function comparisonCaption(
  facts: readonly Fact[],
  comparisons: readonly ReportedComparison[],
  correction: string,
): string {
  const same = facts.flatMap((fact) => {
    const text = common(fact, comparisons);
    return text === null ? [] : [`${fact.title}: ${text}`];
  });
  const replaced = comparisons.flatMap(({ test, method }) => {
    const reason = replacementReason(test, method);
    return reason === null ? [] : [`The ${testName(test, method)} is ${reason}.`];
  });
  const untested = comparisons.some(({ effect, interval, adjusted_p: p }) => [effect, interval, p].includes(null));
  return [
    `Comparisons of the decision rule${same.length === 0 ? "" : ` (${same.join("; ")})`}.`,
    "Effect: difference of means, positive where the first arm is better by the goal of the metric.",
    "Interval: of the effect, for one comparison alone.",
    `Adjusted p: two-sided, against no difference, ${correctionText(correction)}.`,
    ...new Set(replaced),
    ...(untested ? [`${missing}: not testable.`] : []),
  ].join(" ");
}

function effectCells({ effect, interval, unit }: ReportedComparison): TextCell[] {
  if (effect === null) return [[missing], [missing]];
  const bounds = interval === null ? [] : [interval.low, interval.high];
  const { texts, exponent } = roundedBy(interval === null ? null : halfWidth(interval), [effect, ...bounds], "two");
  const [value, low, high] = texts.map((text): Quantity => ({ value: text, half: null, exponent, bold: false }));
  const effectCell = [...(value === undefined ? [] : [value]), ...(unit === null ? [] : [` ${unit}`])];
  if (interval === null || low === undefined || high === undefined) return [effectCell, [missing]];
  return [effectCell, [low, " to ", high, ` (${percent(interval.level)} ${interval.method})`]];
}
