import type { Json } from "../domain/canonical.ts";
import type { Cell, Experiment } from "../domain/experiment.ts";
import { metricsOf } from "../domain/design.ts";
import type { CheckFailure } from "./checks.ts";
import { cellKey, groupBy, pairKey, placeText, runKey, type RunPlace } from "./places.ts";
import { mean } from "./summaries.ts";

/** How many seeds or metrics a message names. */
const mostNamed = 3;

/** A check over several runs, with those it concerns. */
export interface AcrossFailure extends CheckFailure {
  run_ids: string[];
}

/** A run that passed its own checks. */
export interface RunResult extends Pick<Cell, "arm" | "task" | "grid"> {
  run_id: string;
  seed: number;
  metrics: Readonly<Record<string, number>>;
  /** Null when the run reported none. */
  inputs_hash: string | null;
}

export interface RunsToCheck {
  experiment: Pick<Experiment, "metrics" | "arms" | "checks">;
  /** The runs of the stage, without those that a person chose to skip. */
  planned: readonly RunPlace[];
  results: readonly RunResult[];
}

/** Checks the runs of a stage against each other. Results that are not planned do not count. */
export function checkAcross({ experiment, planned, results }: RunsToCheck): AcrossFailure[] {
  const wanted = new Set(planned.map(runKey));
  const counted = results.filter((result) => wanted.has(runKey(result))).sort((a, b) => (a.run_id < b.run_id ? -1 : 1));
  const cells = [...groupBy(counted, cellKey).values()];
  return [
    ...allPresent(planned, counted),
    ...cells.flatMap((cell) => seedsDiffer(experiment, cell)),
    ...cells.flatMap((cell) => aboveChance(experiment, cell)),
    ...(experiment.checks.same_inputs ? sameInputs(counted) : []),
  ];
}

function allPresent(planned: readonly RunPlace[], results: readonly RunResult[]): AcrossFailure[] {
  const byRun = groupBy(results, runKey);
  const missing = [...new Map(planned.map((run) => [runKey(run), run]))]
    .filter(([key]) => !byRun.has(key))
    .map(([, { arm, task, grid, seed }]) => ({ arm, task, grid, seed }));
  const twice = [...byRun.values()].filter((runs) => new Set(runs.map(({ run_id }) => run_id)).size > 1);
  return [
    ...missing.slice(0, 1).map((first): AcrossFailure => {
      const message = `${missing.length} planned ${missing.length === 1 ? "run has" : "runs have"} no valid result, first ${first.arm} on ${placeText(first)}.`;
      return { rule: "all-present", message, values: { missing }, run_ids: [] };
    }),
    ...twice.map((runs) => across("all-present", runs, "More than one run counts for the same arm, task and seed", {})),
  ];
}

/**
 * Seeds that change nothing were not used. One metric may well repeat (a count, a saturated score), so runs are
 * compared by all metrics that may not be constant: either every run of the cell agrees in all of them, or two runs
 * do and one of their values has so many digits that coincidence is out of the question.
 */
function seedsDiffer(experiment: RunsToCheck["experiment"], cell: readonly RunResult[]): AcrossFailure[] {
  const reported = metricsOf(experiment, cell[0]?.arm ?? "");
  const names = reported.filter((name) => !experiment.checks.constant_allowed.includes(name));
  const complete = cell.filter((run) => names.every((name) => run.metrics[name] !== undefined));
  if (names.length === 0) return [];
  const same = Array.from(groupBy(complete, (run) => JSON.stringify(names.map((name) => run.metrics[name]))).values());
  return same
    .filter((runs) => new Set(runs.map(({ seed }) => seed)).size > 1)
    .filter((runs) => runs.length === cell.length || names.some((name) => hasManyDigits(runs[0]?.metrics[name])))
    .map((runs) => {
      const values = Object.fromEntries(names.map((name) => [name, runs[0]?.metrics[name] ?? null]));
      const seeds = runs.map(({ seed }) => seed).toSorted((a, b) => a - b);
      const shown = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
      const what = `Seeds ${enumerated(seeds)} gave exactly the same ${enumerated(shown)}`;
      return across("seeds-differ", runs, what, { seeds, same: values });
    });
}

/** A baseline that is no better than guessing makes any comparison with it worthless. Judged on the mean of a cell. */
function aboveChance(
  { metrics, arms, checks }: RunsToCheck["experiment"],
  cell: readonly RunResult[],
): AcrossFailure[] {
  const [first] = cell;
  if (first === undefined || arms[first.arm]?.role !== "baseline") return [];
  return Object.entries(checks.chance).flatMap(([name, chance]) => {
    const metric = metrics[name];
    const values = cell.map((run) => run.metrics[name]).filter((value) => value !== undefined);
    if (metric === undefined || values.length === 0) return [];
    const average = mean(values);
    const wanted = metric.goal === "maximize" ? "above" : "below";
    if (wanted === "above" ? average > chance : average < chance) return [];
    const message = `The baseline's mean ${name}, ${average}, is not ${wanted} chance (${chance})`;
    return [across("above-chance", cell, message, { metric: name, values, mean: average, chance })];
  });
}

/**
 * Arms that are compared must have seen the same inputs. Compared per (task, grid, seed), as in the comparison
 * itself, because a task may well draw its inputs by seed; reported once per task. When some runs of a task report a
 * hash, all must.
 */
function sameInputs(results: readonly RunResult[]): AcrossFailure[] {
  return [...groupBy(results, ({ task }) => task).values()].flatMap((runs) => {
    const reporting = runs.filter(({ inputs_hash }) => inputs_hash !== null);
    const silent = runs.filter(({ inputs_hash }) => inputs_hash === null);
    const differing = [...groupBy(reporting, pairKey).values()]
      .filter((pair) => new Set(pair.map(({ inputs_hash }) => inputs_hash)).size > 1)
      .flat();
    const silentAmongOthers = reporting.length === 0 ? [] : silent;
    return [
      { concerned: differing, what: "Arms saw different inputs" },
      { concerned: silentAmongOthers, what: "Runs did not report inputs_hash, others of the task did" },
    ]
      .filter(({ concerned }) => concerned.length > 0)
      .map(({ concerned, what }) => across("same-inputs", concerned, what, hashesOf(concerned)));
  });
}

function hashesOf(runs: readonly RunResult[]): Record<string, Json> {
  return { inputs_hash: Object.fromEntries(runs.map(({ run_id, inputs_hash }) => [run_id, inputs_hash])) };
}

/** `0, 1, 2 and 7 more` */
function enumerated(parts: readonly (string | number)[]): string {
  const more = parts.length - mostNamed;
  const named = parts.slice(0, mostNamed).join(", ");
  return more > 0 ? `${named} and ${more} more` : named;
}

/** Six digits or more: the chance that two runs meet in one such value is below one in a hundred thousand. */
function hasManyDigits(value: number | undefined): boolean {
  return value !== undefined && !Number.isInteger(value) && Number(value.toPrecision(5)) !== value;
}

function across(
  rule: CheckFailure["rule"],
  runs: readonly RunResult[],
  what: string,
  values: Record<string, Json>,
): AcrossFailure {
  const places = [...new Set(runs.map(({ arm, task, grid }) => `${arm} on ${placeText({ task, grid })}`))];
  return {
    rule,
    message: `${what}: ${places.join("; ")}.`,
    values,
    run_ids: [...new Set(runs.map(({ run_id }) => run_id))],
  };
}
