import type { ExperimentRecord } from "../domain/records.ts";
import { checkAcross, type AcrossFailure } from "../statistics/checks-across.ts";
import { confidenceCap, type ConfidenceCap } from "../statistics/confidence.ts";
import { decide, type Decision } from "../statistics/decision.ts";
import type { RunPlace } from "../statistics/places.ts";
import { measurementsOf, type PlacedRun } from "./queries.ts";

/** A decision with what a reader must know to trust it. Kept in the log. */
export interface ExperimentDecision extends Omit<Decision, "rule_changed"> {
  /** True when the rule was fixed before any result that it judges was known. */
  preregistered: boolean;
  notes: string[];
  confidence: ConfidenceCap;
}

/** The runs that count: those of the final stage. Where a person chose to decide without failed runs, only valid ones. */
export function countedRuns(experiment: ExperimentRecord, runs: readonly PlacedRun[]): PlacedRun[] {
  return runs.filter((run) => run.in_final_stage && (!experiment.without_failed || run.state === "done"));
}

export const placesOf = (runs: readonly PlacedRun[]): RunPlace[] =>
  runs.map(({ arm, task, grid, seed }) => ({ arm, task, grid, seed }));

/** Checks over all runs of the final stage. */
export function failedChecks(experiment: ExperimentRecord, runs: readonly PlacedRun[]): AcrossFailure[] {
  const counted = countedRuns(experiment, runs);
  return checkAcross({
    experiment: experiment.definition,
    planned: placesOf(counted),
    results: counted.flatMap(({ result, ...run }) => (result === null ? [] : [{ ...run, ...result }])),
  });
}

/** The rule of an experiment, evaluated on what is recorded; null without a rule. */
export function decideExperiment(experiment: ExperimentRecord, runs: readonly PlacedRun[]): ExperimentDecision | null {
  const { definition, foreknowledge, without_failed } = experiment;
  if (definition.decision === null) return null;
  const counted = countedRuns(experiment, runs);
  const { rule_changed: _, ...decision } = decide({
    experiment: definition,
    planned: placesOf(counted),
    measurements: measurementsOf(counted),
  });
  const notes: string[] = [];
  const left = runs.filter((run) => run.in_final_stage).length - counted.length;
  if (!foreknowledge.preregistered) {
    const before = foreknowledge.predecessor === null ? "" : `; ${foreknowledge.predecessor} has the rule before it`;
    notes.push(
      `Not pre-registered: ${foreknowledge.known_results} results were known when this rule was fixed${before}.`,
    );
  }
  if (without_failed && left > 0)
    notes.push(`Decided without ${left} of the planned runs, which have no valid result.`);
  const seeds = Math.min(...decision.comparisons.map((one) => one.n_pairs ?? Math.min(one.n_better, one.n_than)));
  return {
    ...decision,
    preregistered: foreknowledge.preregistered,
    notes,
    confidence: confidenceCap({
      seeds: seedCount(counted, seeds),
      effects: decision.comparisons,
      open_concerns: 0,
      reproduced: false,
    }),
  };
}

/** Seeds, not pairs: three tasks with two seeds each are two seeds. */
function seedCount(counted: readonly PlacedRun[], pairs: number): number {
  return Math.min(pairs, new Set(counted.map((run) => run.seed)).size);
}
