import { canonicalJson } from "../domain/canonical.ts";
import type { PlannedRun } from "../domain/design.ts";
import type { Cell, Measurement } from "../domain/experiment.ts";
import { gridText } from "../domain/format/words.ts";

/** Where a planned run stands in the design: a cell with one seed. Only what is planned counts, and all that is planned must be there. */
export type RunPlace = Pick<Cell, "arm" | "task" | "grid"> & { seed: number };

/** The places that a stage asks for, by its index in `stages`; that of the last stage gives the final comparison. */
export function stagePlaces(planned: readonly PlannedRun[], stage: number): RunPlace[] {
  return planned
    .filter(({ stages }) => stages.includes(stage))
    .map(({ cell: { arm, task, grid }, seed }) => ({ arm, task, grid, seed }));
}

/** What two arms must share to be compared as a pair. */
export type Pairing = Omit<RunPlace, "arm">;

export function pairKey({ task, grid, seed }: Pairing): string {
  return canonicalJson([task, grid, seed]);
}

export function runKey(run: RunPlace): string {
  return canonicalJson([run.arm, run.task, run.grid, run.seed]);
}

export function cellKey(cell: Omit<RunPlace, "seed">): string {
  return canonicalJson([cell.arm, cell.task, cell.grid]);
}

/**
 * The measurements of one metric that are planned, each once. A run that only a pilot asked for, or that an archived
 * experiment left behind, is not planned and does not count.
 */
export function countedMeasurements(
  metric: string,
  planned: readonly RunPlace[],
  measurements: readonly Measurement[],
): Measurement[] {
  const wanted = new Set(planned.map(runKey));
  const counted = measurements.filter((one) => one.metric === metric && wanted.has(runKey(one)));
  const once = new Map(counted.map((one) => [canonicalJson([one.run_id, runKey(one), String(one.value)]), one]));
  return [...once.entries()].sort(byKey).map(([, one]) => one);
}

export function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** How a place reads in a sentence: `sst2, lr=0.1, seed 3`. */
export function placeText({ task, grid, seed }: Omit<Pairing, "seed"> & { seed?: number }): string {
  const values = Object.keys(grid).length === 0 ? [] : [gridText(grid)];
  return [task, ...values, ...(seed === undefined ? [] : [`seed ${seed}`])].join(", ");
}

/** By code units, so that no locale changes an order. */
export function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
