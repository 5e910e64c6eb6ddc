import { canonicalJson } from "../../domain/canonical.ts";
import { number, percent, plural } from "../../domain/format/numbers.ts";
import { gridText, tableTitle } from "../../domain/format/words.ts";
import { groupBy } from "../../statistics/places.ts";
import { comparisonTitle } from "./comparisons.ts";
import type { DocumentFacts, MeasuredComparison, MeasuredTable } from "./facts.ts";
import { cellsOf, type PlacedCell } from "./values.ts";

/** What a figure shows: a panel for each place, in it each arm with its mean, its interval, and every seed as a point. */
export interface FigureData {
  title: string;
  /** In words, for those who do not see it. */
  description: string;
  /** How to read it: what is to follow a sentence on what it shows. */
  caption: string;
  /** `loss in nats (lower is better)` */
  axis: string;
  panels: Panel[];
  /** Seeds of the arms are joined by a line. */
  paired: boolean;
}

export interface Panel {
  /** Empty where there is only one. */
  title: string;
  /** In the order of the horizontal axis. */
  arms: PanelArm[];
}

export interface PanelArm {
  arm: string;
  /** Where it stands in the design, so that its colour is the same in each figure. */
  index: number;
  points: { seed: number; value: number }[];
  mean: number | null;
  low: number | null;
  high: number | null;
}

/** The two arms of a comparison on each task that it is about; the arm that should be better stands on the right. */
export function comparisonFigure(comparison: MeasuredComparison, index: number, facts: DocumentFacts): FigureData {
  const table = facts.tables.find((one) => one.metric === comparison.metric);
  if (table === undefined) throw new Error(`there is no table of ${comparison.metric}`);
  const arms = [comparison.than, comparison.better];
  const cells = cellsOf(table).filter(
    ({ arm, cell }) => arms.includes(arm) && (comparison.task === null || comparison.task === cell.task),
  );
  const paired = comparison.n_pairs !== null;
  const title = `Comparison ${index}: ${comparisonTitle(comparison)}`;
  const panels = panelsOf(cells, arms, facts);
  return {
    ...shared(table, panels, paired),
    title,
    caption: captionOf(panels, paired),
    paired,
  };
}

/** All arms of the design. */
export function metricFigure(table: MeasuredTable): FigureData {
  const arms = [...new Set(table.rows.map(({ arm }) => arm))];
  const title = `${axisOf(table)} of each arm`;
  const panels = panelsOf(cellsOf(table), arms, { tables: [table] });
  return { ...shared(table, panels, false), title, caption: captionOf(panels, false), paired: false };
}

function captionOf(panels: readonly Panel[], paired: boolean): string {
  const lines = paired ? " A thin line joins the two arms of a seed." : "";
  const scales = panels.length > 1 ? " Each panel has its own scale." : "";
  return ` Each small point is a run, each large one a mean with its interval.${lines}${scales}`;
}

function shared(
  table: MeasuredTable,
  panels: Panel[],
  paired: boolean,
): Pick<FigureData, "axis" | "description" | "panels"> {
  const described = panels.map(({ title, arms }) => {
    const parts = arms.map(({ arm, mean, low, high, points }) => {
      if (mean === null) return `${arm} has no value`;
      const interval = low === null || high === null ? "" : ` (interval ${number(low)} to ${number(high)})`;
      return `${arm} has mean ${number(mean)}${interval} over ${plural(points.length, "seed")}`;
    });
    return `${title === "" ? "" : `${title}: `}${parts.join("; ")}.`;
  });
  const marks = `Small points: seeds${paired ? ", joined by a line where they are a pair" : ""}. Large points: means with ${percent(table.level)} t intervals.`;
  return { axis: axisOf(table), panels, description: `${axisOf(table)}. ${described.join(" ")} ${marks}` };
}

function panelsOf(
  cells: readonly PlacedCell[],
  arms: readonly string[],
  { tables }: Pick<DocumentFacts, "tables">,
): Panel[] {
  const tasks = new Set(cells.map(({ cell }) => cell.task));
  const titleOf = ({ cell, grid }: PlacedCell): string =>
    [...(tasks.size > 1 ? [cell.task] : []), gridText(grid)].filter((part) => part !== "").join(", ");
  const places = groupBy(cells, ({ cell, grid }) => canonicalJson([cell.task, grid]));
  const order = [...new Set(tables.flatMap(({ rows }) => rows.map(({ arm }) => arm)))];
  return [...places.values()].map((placed) => ({
    title: placed.map(titleOf)[0] ?? "",
    arms: arms.map((arm) => {
      const cell = placed.find((one) => one.arm === arm)?.cell;
      const { mean = null, low = null, high = null, values = [] } = cell ?? {};
      const points = values.map(({ seed, value }) => ({ seed, value }));
      return { arm, index: order.indexOf(arm), points, mean, low, high };
    }),
  }));
}

function axisOf(table: MeasuredTable): string {
  return tableTitle({ ...table, rows: [] }).replace(/: mean$/, "");
}
