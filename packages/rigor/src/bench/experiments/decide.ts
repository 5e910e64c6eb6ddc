import type { ExperimentRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { plural } from "../../domain/format/numbers.ts";
import { shortId } from "../../domain/format/words.ts";
import { checkAcross, type AcrossFailure } from "../../statistics/checks-across.ts";
import { checkRun } from "../../statistics/checks.ts";
import { confidenceCap, type ConfidenceCap, type ConfidenceInput } from "../../statistics/confidence.ts";
import type { Decision } from "../../statistics/decision.ts";
import { groupBy, pairKey, type RunPlace } from "../../statistics/places.ts";
import { makersOf, measurementsOf, type PlacedRun } from "../records/placed-runs.ts";
import { commitUses, unlistedNote, type ComparedCode } from "./unlisted-changes.ts";

/** A decision with what a reader must know to trust it. Kept in the log. */
export interface ExperimentDecision extends Omit<Decision, "rule_changed"> {
  /** True when the rule was fixed before any result that it judges was known. */
  preregistered: boolean;
  notes: string[];
  confidence: ConfidenceCap;
}

/**
 * The runs that count: those of the final stage. Where a person chose to decide without failed runs, a task with a seed
 * counts only if every arm has a valid result there: comparing arms on different seeds would be no comparison.
 */
export function countedRuns(experiment: ExperimentRecord, runs: readonly PlacedRun[]): PlacedRun[] {
  const final = runs.filter((run) => run.in_final_stage);
  if (!experiment.without_failed) return final;
  const refused = new Set((experiment.check_failures as unknown as AcrossFailure[]).flatMap((one) => one.run_ids));
  const valid = (run: PlacedRun): boolean => run.state === "done" && !refused.has(run.run_id);
  return [...groupBy(final, pairKey).values()].filter((block) => block.every(valid)).flat();
}

export const placesOf = (runs: readonly PlacedRun[]): RunPlace[] =>
  runs.map(({ arm, task, grid, seed }) => ({ arm, task, grid, seed }));

/**
 * Checks of each run of the final stage, and of all against each other. A run that was shared was checked by the rules
 * of another experiment; here it is checked by this one's.
 */
export function failedChecks(experiment: ExperimentRecord, runs: readonly PlacedRun[]): AcrossFailure[] {
  const counted = countedRuns(experiment, runs);
  const { definition } = experiment;
  const own = counted.flatMap(({ run_id, arm, result }) =>
    result === null
      ? []
      : checkRun({ experiment: definition, arm, ...result }).map((failure) => ({ ...failure, run_ids: [run_id] })),
  );
  const across = checkAcross({
    experiment: definition,
    planned: placesOf(counted),
    results: counted.flatMap(({ result, ...run }) => (result === null ? [] : [{ ...run, ...result }])),
  });
  return [...own, ...across];
}

/** What differs outside `code` between the commits of the results that count and the experiment's own, in words. */
export function codeNote(
  experiment: ExperimentRecord,
  counted: readonly PlacedRun[],
  code: ComparedCode,
): string | null {
  const own = `commit ${shortId(experiment.source.commit)} of ${reference(experiment)}`;
  return unlistedNote(experiment, commitUses(makersOf(counted), code), counted.length, own);
}

/**
 * The rule of an experiment, evaluated on what is recorded; null without a rule.
 *
 * @param code of the experiments that results were made for, compared with the experiment's own
 */
export async function decideExperiment(
  experiment: ExperimentRecord,
  runs: readonly PlacedRun[],
  code: ComparedCode,
): Promise<ExperimentDecision | null> {
  const { definition, foreknowledge, without_failed } = experiment;
  if (definition.decision === null) return null;
  const counted = countedRuns(experiment, runs);
  // Distributions are a fifth of all modules, and most starts of a daemon decide nothing.
  const { decide } = await import("../../statistics/decision.ts");
  const { rule_changed: _, ...decision } = decide({
    experiment: definition,
    planned: placesOf(counted),
    measurements: measurementsOf(counted),
  });
  const notes: string[] = [];
  if (!foreknowledge.preregistered) {
    const before = foreknowledge.predecessor === null ? "" : ` after ${foreknowledge.predecessor}`;
    notes.push(
      `Not pre-registered: ${plural(foreknowledge.known_results, "result was", "results were")} known when this plan was ` +
        `fixed${before}, so it explores and does not confirm.`,
    );
  }
  const left = without_failed ? leftOut(runs, counted) : null;
  if (left !== null) notes.push(left);
  const mixed = codeNote(experiment, counted, code);
  if (mixed !== null) notes.push(mixed);
  return {
    ...decision,
    preregistered: foreknowledge.preregistered,
    notes,
    confidence: confidenceOf(counted, decision.comparisons, { open_concerns: 0, reproduced: false }),
  };
}

/** The most confidence that the comparisons of a decision allow. */
export function confidenceOf(
  counted: readonly PlacedRun[],
  comparisons: Decision["comparisons"],
  evidence: Pick<ConfidenceInput, "open_concerns" | "reproduced">,
): ConfidenceCap {
  const seeds = Math.min(...comparisons.map((one) => one.n_pairs ?? Math.min(one.n_better, one.n_than)));
  return confidenceCap({ seeds: seedCount(counted, seeds), effects: comparisons, ...evidence });
}

/** What a person chose to decide without, in words; null if every planned run counts after all. */
function leftOut(runs: readonly PlacedRun[], counted: readonly PlacedRun[]): string | null {
  const left = runs.filter((run) => run.in_final_stage && !counted.includes(run));
  if (left.length === 0) return null;
  const partners = left.filter((run) => run.state === "done").length;
  const why =
    partners === 0
      ? ", which have no valid result"
      : `: ${left.length - partners} have no valid result, ${partners} have no partner in another arm`;
  return `Decided without ${left.length} of the planned runs${why}.`;
}

/** Seeds, not pairs: three tasks with two seeds each are two seeds. */
function seedCount(counted: readonly PlacedRun[], pairs: number): number {
  return Math.min(pairs, new Set(counted.map((run) => run.seed)).size);
}
