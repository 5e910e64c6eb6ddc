import type { Comparison, Experiment, Measurement } from "../domain/experiment.ts";
import type { RunPlace } from "./places.ts";

/** Builders for the tests of this folder. */

export type TestedExperiment = Pick<
  Experiment,
  "metrics" | "arms" | "tasks" | "checks" | "outputs" | "decision" | "seeds"
>;

export function experiment(changes: Partial<TestedExperiment> = {}): TestedExperiment {
  return {
    metrics: {
      accuracy: { goal: "maximize", range: [0, 1], unit: null },
      loss: { goal: "minimize", range: [0, null], unit: "nats" },
    },
    arms: {
      base: { role: "baseline", parameters: {}, needs: [], metrics: null, artifacts: null },
      ours: { role: "ours", parameters: {}, needs: [], metrics: null, artifacts: null },
    },
    tasks: { sst2: { parameters: {} } },
    seeds: [0, 1, 2, 3, 4],
    outputs: { result: "result.json", artifacts: [] },
    checks: { chance: {}, same_inputs: true, zero_allowed: [], constant_allowed: [] },
    decision: { comparisons: [comparison()], correction: "holm" },
    ...changes,
  };
}

export function comparison(changes: Partial<Comparison> = {}): Comparison {
  return {
    better: "ours",
    than: "base",
    metric: "accuracy",
    test: "paired-t",
    alpha: 0.05,
    min_effect: 0,
    task: null,
    ...changes,
  };
}

/** Arm -> task -> values by seed 0, 1, 2...; `undefined` leaves the seed out. */
export type Values = Record<string, Record<string, readonly (number | undefined)[]>>;

export function plannedRuns(values: Values): RunPlace[] {
  return Object.entries(values).flatMap(([arm, tasks]) =>
    Object.entries(tasks).flatMap(([task, list]) => list.map((_, seed) => ({ arm, task, grid: {}, seed }))),
  );
}

export function measured(values: Values, metric = "accuracy"): Measurement[] {
  return plannedRuns(values).flatMap((run) => {
    const value = values[run.arm]?.[run.task]?.[run.seed];
    return value === undefined ? [] : [{ ...run, run_id: `${run.arm}-${run.task}-${run.seed}`, metric, value }];
  });
}
