import type { Json } from "../domain/canonical.ts";
import { canonicalJson } from "../domain/canonical.ts";
import { testName } from "../domain/format/words.ts";
import type { ComparisonResult } from "../statistics/decision.ts";
import type { ResultCell, ResultTable } from "../statistics/table.ts";
import { pText, roundedBy } from "./numbers.ts";

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
      ...grid.map((name) => [parameterText(row.grid[name])]),
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
  const { texts, exponent } = roundedBy(half, half === null ? [mean] : [mean, half]);
  return { value: texts[0] ?? "", half: texts[1] ?? null, exponent, bold };
}

function halfWidth({ low, high }: { low: number | null; high: number | null }): number | null {
  return low === null || high === null ? null : (high - low) / 2;
}

function resultCaption({ metric, goal, unit, level, rows }: PlannedTable): string {
  const cells = rows.flatMap((row) => row.cells);
  const measured = cells.filter((cell) => cell.mean !== null);
  const withInterval = measured.filter((cell) => halfWidth(cell) !== null);
  const direction = goal === "maximize" ? "↑ higher is better" : "↓ lower is better";
  const spread = withInterval.length === 0 ? "" : ` ± half-width of the ${percent(level)} t interval`;
  const sentences = [
    `${metric}${unit === null ? "" : ` in ${unit}`} (${direction}): mean${spread}${seedsText(measured)}.`,
    withInterval.length < measured.length ? "A value without an interval is of one seed." : null,
    cells.some(({ best }) => best) ? "Bold: best of its column." : null,
    cells.some((cell) => cell.tied_with_best && !cell.best)
      ? `${tied}: within noise of the best of its column (paired t test over shared seeds, p ≥ 0.05 without correction; where it cannot be tested, intervals that overlap).`
      : null,
    cells.some(({ n, planned }) => n !== planned) ? "n = k of m: only k of m planned seeds have a valid value." : null,
    measured.length < cells.length ? `${missing}: no value.` : null,
  ];
  return sentences.filter((sentence) => sentence !== null).join(" ");
}

function seedsText(cells: readonly PlannedCell[]): string {
  const counts = cells.map(({ n }) => n);
  if (counts.length === 0) return "";
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  if (fewest !== most) return ` over ${fewest} to ${most} seeds`;
  return ` over ${most} ${most === 1 ? "seed" : "seeds"}`;
}

/** A row for each comparison of the decision rule. */
export function comparisonTextTable(comparisons: readonly ReportedComparison[], correction: string): TextTable {
  const left = ["comparison", "metric", "task", "test"].map((title) => ({ title, align: "left" as const }));
  const right = ["effect", "interval", "n", "adjusted p", "verdict"].map((title) => ({
    title,
    align: "right" as const,
  }));
  return {
    caption: `Comparisons of the decision rule. Effect: difference of means, positive where the first arm is better by the goal of the metric. Interval: of the effect, for one comparison alone. Adjusted p: two-sided, against no difference; ${correction}.${comparisons.some(({ effect, interval, adjusted_p: p }) => [effect, interval, p].includes(null)) ? ` ${missing}: not testable.` : ""}`,
    columns: [...left, ...right],
    rows: comparisons.map((one) => [
      [`${one.better} against ${one.than}`],
      [one.metric],
      [one.task ?? "all tasks"],
      [testName(one.test, one.method)],
      ...effectCells(one),
      [one.n_pairs === null ? `${one.n_better} and ${one.n_than} values` : `${one.n_pairs} pairs`],
      [one.adjusted_p === null ? missing : pText(one.adjusted_p)],
      [one.verdict],
    ]),
  };
}

function effectCells({ effect, interval, unit }: ReportedComparison): TextCell[] {
  if (effect === null) return [[missing], [missing]];
  const bounds = interval === null ? [] : [interval.low, interval.high];
  const { texts, exponent } = roundedBy(interval === null ? null : halfWidth(interval), [effect, ...bounds]);
  const [value, low, high] = texts.map((text): Quantity => ({ value: text, half: null, exponent, bold: false }));
  const effectCell = [...(value === undefined ? [] : [value]), ...(unit === null ? [] : [` ${unit}`])];
  if (interval === null || low === undefined || high === undefined) return [effectCell, [missing]];
  return [effectCell, [low, " to ", high, ` (${percent(interval.level)} ${interval.method})`]];
}

function percent(level: number): string {
  return `${Number((100 * level).toPrecision(6))} %`;
}

function parameterText(value: Json | undefined): string {
  if (value === undefined) return missing;
  return typeof value === "string" ? value : canonicalJson(value);
}
