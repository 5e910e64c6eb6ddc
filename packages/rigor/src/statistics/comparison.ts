import tQuantile from "@stdlib/stats-base-dists-t-quantile";
import type { Comparison, Measurement, Metric } from "../domain/experiment.ts";
import { byKey, countedMeasurements, groupBy, pairKey, placeText, runKey, type RunPlace } from "./places.ts";
import { mannWhitney, wilcoxonSignedRank } from "./rank-tests.ts";
import { bootstrapMean, bootstrapMeanDifference, meanInterval, type Interval } from "./intervals.ts";
import { mean } from "./summaries.ts";
import { cohenD, cohenDz, pairedT, smallestP, welchError, welchT } from "./t-tests.ts";
import { notTestable, pairedDifferences, type TestResult } from "./test-result.ts";

/** A planned run of one arm whose partner in the other arm, or whose own value, is missing. */
export interface MissingValue extends RunPlace {
  /** `partner`: this run has a value, the other arm's has none. `value`: this run has none. */
  missing: "partner" | "value";
}

export interface EffectInterval extends Interval {
  /** 1 - alpha; for this comparison alone, not corrected for the others. */
  level: number;
  method: "t" | "bootstrap" | "permutation";
}

/** What was measured in one comparison, before any correction. Positive effects favour the arm named `better`. */
export interface ComparedArms {
  /** In the metric's unit, as recorded. For paired tests over the pairs only. */
  mean_better: number | null;
  mean_than: number | null;
  n_better: number;
  n_than: number;
  /** Null for tests that do not pair. */
  n_pairs: number | null;
  effect: number | null;
  interval: EffectInterval | null;
  cohen_d: number | null;
  cohen_dz: number | null;
  /** Against no difference. */
  test_result: TestResult;
  /** Against a difference of exactly `min_effect`; the same as `test_result` when that is zero. */
  min_effect_result: TestResult;
  missing: MissingValue[];
  run_ids: string[];
}

/** The two arms' values, in pairs or not, with the sign turned so that more is better. */
interface Sides {
  better: number[];
  than: number[];
}

const bootstrapSeed = 1;

const tests = {
  "paired-t": pairedT,
  wilcoxon: wilcoxonSignedRank,
  welch: welchT,
  "mann-whitney": mannWhitney,
} satisfies Record<Comparison["test"], (a: readonly number[], b: readonly number[]) => TestResult>;

export function isPaired(test: Comparison["test"]): boolean {
  return test === "paired-t" || test === "wilcoxon";
}

/** Matches the values of two arms by (task, grid, seed) and tests them; the order of the measurements is irrelevant. */
export function compareArms(
  comparison: Comparison,
  goal: Metric["goal"],
  planned: readonly RunPlace[],
  measurements: readonly Measurement[],
): ComparedArms {
  const concerned = planned.filter(
    ({ arm, task }) =>
      [comparison.better, comparison.than].includes(arm) && (comparison.task === null || comparison.task === task),
  );
  const counted = countedMeasurements(comparison.metric, concerned, measurements);
  const paired = isPaired(comparison.test);
  const better = counted.filter(({ arm }) => arm === comparison.better);
  const than = counted.filter(({ arm }) => arm === comparison.than);
  const chosen = paired ? matched(better, than) : { better, than };
  const problem = duplicateProblem(counted);
  const sides = { better: oriented(chosen.better, goal), than: oriented(chosen.than, goal) };
  const usable = problem === null && sides.better.length > 0 && sides.than.length > 0;
  const result = problem === null ? tests[comparison.test](sides.better, sides.than) : notTestable(problem);
  return {
    mean_better: usable ? mean(chosen.better.map(({ value }) => value)) : null,
    mean_than: usable ? mean(chosen.than.map(({ value }) => value)) : null,
    n_better: chosen.better.length,
    n_than: chosen.than.length,
    n_pairs: paired ? chosen.better.length : null,
    effect: usable ? mean(sides.better) - mean(sides.than) : null,
    interval: effectInterval(comparison, sides, result),
    cohen_d: usable ? cohenD(sides.better, sides.than) : null,
    cohen_dz: usable && paired ? cohenDz(sides.better, sides.than) : null,
    test_result: result,
    min_effect_result: againstMinEffect(comparison, sides, result),
    missing: missingValues(comparison, concerned, counted),
    run_ids: [...new Set([...chosen.better, ...chosen.than].map(({ run_id }) => run_id))].sort(),
  };
}

function matched(better: Measurement[], than: Measurement[]): { better: Measurement[]; than: Measurement[] } {
  const partners = new Map(than.map((one) => [pairKey(one), one]));
  const pairs = better
    .flatMap((one) => {
      const partner = partners.get(pairKey(one));
      return partner === undefined ? [] : [[pairKey(one), { one, partner }] as const];
    })
    .sort(byKey);
  return { better: pairs.map(([, { one }]) => one), than: pairs.map(([, { partner }]) => partner) };
}

function oriented(measurements: readonly Measurement[], goal: Metric["goal"]): number[] {
  return measurements.map(({ value }) => (goal === "maximize" ? value : -value));
}

/** Two values for one run must not be chosen from: nobody picks the one that wins. */
function duplicateProblem(counted: readonly Measurement[]): string | null {
  for (const [first, ...more] of groupBy(counted, runKey).values()) {
    if (first === undefined || more.length === 0) continue;
    const runs = [first, ...more].map(({ run_id }) => run_id).join(", ");
    return `${first.arm} has ${more.length + 1} values for ${placeText(first)} (runs ${runs})`;
  }
  return null;
}

function againstMinEffect({ test, min_effect }: Comparison, { better, than }: Sides, result: TestResult): TestResult {
  if (min_effect === 0 || result.p === null) return result;
  return tests[test](
    better.map((value) => value - min_effect),
    than,
  );
}

/**
 * The interval that fits the test: t for t tests, seeded percentile bootstrap of the means for rank tests. Without
 * any spread the interval is the single value when the exact test could tell it from every other one at this alpha,
 * else there is none: a few equal numbers do not bound anything.
 */
function effectInterval(
  { test, alpha }: Comparison,
  { better, than }: Sides,
  result: TestResult,
): EffectInterval | null {
  if (result.p === null) return null;
  const level = 1 - alpha;
  const effect = mean(better) - mean(than);
  if (result.method === "permutation") {
    return smallestP(isPaired(test), better.length, than.length) < alpha
      ? { low: effect, high: effect, level, method: "permutation" }
      : null;
  }
  if (test === "wilcoxon" || test === "mann-whitney") {
    const options = { seed: bootstrapSeed, level };
    const bounds =
      test === "wilcoxon"
        ? bootstrapMean(pairedDifferences(better, than), options)
        : bootstrapMeanDifference(better, than, options);
    return { ...bounds, level, method: "bootstrap" };
  }
  if (test === "paired-t") {
    const { low, high } = meanInterval(pairedDifferences(better, than), level);
    return low === null || high === null ? null : { low, high, level, method: "t" };
  }
  const { error, df } = welchError(better, than);
  const half = tQuantile(1 - alpha / 2, df) * error;
  return { low: effect - half, high: effect + half, level, method: "t" };
}

function missingValues(
  { better, than, test }: Comparison,
  concerned: readonly RunPlace[],
  counted: readonly Measurement[],
): MissingValue[] {
  const present = new Set(counted.map(runKey));
  const missing = concerned.flatMap(({ arm, task, grid, seed }): MissingValue[] => {
    const run = { arm, task, grid, seed };
    if (!present.has(runKey(run))) return [{ ...run, missing: "value" }];
    const partner = { ...run, arm: arm === better ? than : better };
    return isPaired(test) && !present.has(runKey(partner)) ? [{ ...run, missing: "partner" }] : [];
  });
  const once = new Map(missing.map((one) => [runKey(one), one]));
  return [...once].sort(byKey).map(([, one]) => one);
}
