import type { Json } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import type { Arm, Experiment, Measurement, Metric } from "../domain/experiment.ts";
import { canonicalJson } from "../domain/canonical.ts";
import { tableLevel, tieAlpha } from "../domain/rules/table-rules.ts";
import { cellKey, countedMeasurements, groupBy, type RunPlace } from "./places.ts";
import { meanInterval, type MeanInterval } from "./intervals.ts";
import { pairedT } from "./t-tests.ts";

/** Mean and interval of one metric for every arm (and further grid) on every task. JSON-ready. */
export interface ResultTable {
  metric: string;
  goal: Metric["goal"];
  unit: string | null;
  /** Level of the intervals. */
  level: number;
  /** Tasks, in the order of the cells of a row. */
  columns: string[];
  rows: ResultRow[];
}

export interface ResultRow {
  arm: string;
  role: Arm["role"] | null;
  grid: Record<string, Json>;
  cells: ResultCell[];
}

export interface ResultCell {
  task: string;
  /** Zero when nothing was measured; the numbers are then null. */
  n: number;
  mean: number | null;
  sd: number | null;
  low: number | null;
  high: number | null;
  /** The best mean of its column by the metric's goal. */
  best: boolean;
  /** Cannot be told from the best of its column. */
  tied_with_best: boolean;
  values: { seed: number; value: number; run_id: string }[];
}

export interface TableInput {
  experiment: Pick<Experiment, "metrics" | "arms" | "tasks">;
  metric: string;
  /** The runs that count; they also give the rows and columns. */
  planned: readonly RunPlace[];
  measurements: readonly Measurement[];
  level?: number;
}

/**
 * The result table of one metric. A cell is tied with the best of its column unless it can be told from it: by a
 * paired t test over the seeds they share (p below `tieAlpha`), or, where that cannot be tested (fewer than three shared
 * seeds, no spread), by intervals that do not overlap. A cell of one value has no interval and is tied.
 *
 * @throws RigorError `not-found` for a metric that is not declared.
 */
export function resultTable({
  experiment,
  metric: name,
  planned,
  measurements,
  level = tableLevel,
}: TableInput): ResultTable {
  const metric = experiment.metrics[name];
  if (metric === undefined) {
    throw new RigorError("not-found", `There is no metric "${name}".`, {
      next: `Choose one of: ${Object.keys(experiment.metrics).join(", ")}.`,
    });
  }
  const byCell = groupBy(countedMeasurements(name, planned, measurements), cellKey);
  const columns = inOrder(
    Object.keys(experiment.tasks),
    planned.map(({ task }) => task),
  );
  const arms = inOrder(
    Object.keys(experiment.arms),
    planned.map(({ arm }) => arm),
  );
  const grids = [...new Map(planned.map(({ grid }) => [canonicalJson(grid), grid])).values()];
  const rows = arms.flatMap((arm) =>
    grids
      .filter((grid) => planned.some((run) => run.arm === arm && canonicalJson(run.grid) === canonicalJson(grid)))
      .map((grid) => ({
        arm,
        role: experiment.arms[arm]?.role ?? null,
        grid,
        cells: columns.map((task) => cellOf(task, byCell.get(cellKey({ arm, task, grid })) ?? [], level)),
      })),
  );
  return { metric: name, goal: metric.goal, unit: metric.unit, level, columns, rows: markBest(rows, metric.goal) };
}

function cellOf(task: string, measurements: readonly Measurement[], level: number): ResultCell {
  const values = measurements
    .map(({ seed, value, run_id }) => ({ seed, value, run_id }))
    .sort((a, b) => a.seed - b.seed || (a.run_id < b.run_id ? -1 : 1));
  const nothing = { n: 0, mean: null, sd: null, low: null, high: null };
  const numbers: MeanInterval | typeof nothing =
    values.length === 0
      ? nothing
      : meanInterval(
          values.map(({ value }) => value),
          level,
        );
  return { task, ...numbers, best: false, tied_with_best: false, values };
}

function markBest(rows: readonly ResultRow[], goal: Metric["goal"]): ResultRow[] {
  const sign = goal === "maximize" ? 1 : -1;
  const best = (rows[0]?.cells ?? []).map((_, column) =>
    bestOf(
      rows.map(({ cells }) => cells[column]),
      sign,
    ),
  );
  return rows.map((row) => ({
    ...row,
    cells: row.cells.map((cell, column) => {
      const leader = best[column];
      if (leader === undefined || cell.mean === null) return cell;
      const isBest = cell.mean === leader.mean;
      return { ...cell, best: isBest, tied_with_best: !isBest && !tellsApart(cell, leader) };
    }),
  }));
}

function bestOf(cells: readonly (ResultCell | undefined)[], sign: number): ResultCell | undefined {
  let best: ResultCell | undefined;
  for (const cell of cells) {
    if (cell === undefined || cell.mean === null) continue;
    if (best === undefined || best.mean === null || sign * cell.mean > sign * best.mean) best = cell;
  }
  return best;
}

function tellsApart(cell: ResultCell, best: ResultCell): boolean {
  const bySeed = new Map(best.values.map(({ seed, value }) => [seed, value]));
  const shared = cell.values.flatMap(({ seed, value }) => {
    const partner = bySeed.get(seed);
    return partner === undefined ? [] : [{ value, partner }];
  });
  const result = pairedT(
    shared.map(({ value }) => value),
    shared.map(({ partner }) => partner),
  );
  if (result.p !== null && result.method === "t") return result.p < tieAlpha;
  if (cell.low === null || cell.high === null || best.low === null || best.high === null) return false;
  return cell.high < best.low || best.high < cell.low;
}

/** What is there, in the declared order; what is not declared comes last. */
function inOrder(declared: readonly string[], found: readonly string[]): string[] {
  const present = new Set(found);
  return [...declared.filter((name) => present.has(name)), ...[...present].filter((name) => !declared.includes(name))];
}
