import tCdf from "@stdlib/stats-base-dists-t-cdf";
import { mean, standardDeviation } from "./summaries.ts";
import {
  asProbability,
  isConstant,
  notTestable,
  pairedDifferences,
  pairsProblem,
  resolution,
  samplesProblem,
  signOf,
  type TestResult,
} from "./test-result.ts";

/**
 * Paired t test, two-sided.
 *
 * Without spread in the differences t is not defined (0/0 or infinite), and the limit p = 0 would claim more than a
 * few equal numbers can show. The exact sign-flip test, which needs no spread, then gives the p value: 2^(1 - n) when
 * all differences are the same number, 1 when they are all zero. Five seeds give 0.0625, six 0.03125.
 *
 * @throws RangeError when the samples differ in length.
 */
export function pairedT(a: readonly number[], b: readonly number[]): TestResult {
  const problem = pairsProblem(a, b);
  if (problem !== null) return notTestable(problem);
  const differences = pairedDifferences(a, b);
  const n = differences.length;
  const within = resolution(a, b);
  const centre = mean(differences);
  if (isConstant(differences, within)) return withoutSpread(centre, within, smallestP(true, n, n));
  const t = centre / (standardDeviation(differences) / Math.sqrt(n));
  return tResult(t, n - 1);
}

/**
 * Welch's t test for independent samples, two-sided.
 *
 * Without spread in both samples the exact permutation test gives the p value, for the reason given at `pairedT`:
 * 2 / C(n + m, n) when the samples differ, 1 when they are equal.
 */
export function welchT(a: readonly number[], b: readonly number[]): TestResult {
  const problem = samplesProblem(a, b);
  if (problem !== null) return notTestable(problem);
  const within = resolution(a, b);
  const difference = mean(a) - mean(b);
  if (isConstant(a, within) && isConstant(b, within)) {
    return withoutSpread(difference, within, smallestP(false, a.length, b.length));
  }
  const { error, df } = welchError(a, b);
  return tResult(difference / error, df);
}

/**
 * The smallest two-sided p that values without spread can give: by flipping the signs of n differences, or by dealing
 * n + m values to two samples.
 */
export function smallestP(paired: boolean, n: number, m: number): number {
  return paired ? 2 ** (1 - n) : 2 / binomial(n + m, n);
}

/** Standard error of mean(a) - mean(b) and its Welch-Satterthwaite degrees of freedom. */
export function welchError(a: readonly number[], b: readonly number[]): { error: number; df: number } {
  const shareA = standardDeviation(a) ** 2 / a.length;
  const shareB = standardDeviation(b) ** 2 / b.length;
  const df = (shareA + shareB) ** 2 / (shareA ** 2 / (a.length - 1) + shareB ** 2 / (b.length - 1));
  return { error: Math.sqrt(shareA + shareB), df };
}

/** Difference of means over the pooled standard deviation (n - 1); null without spread or with too few values. */
export function cohenD(a: readonly number[], b: readonly number[]): number | null {
  if (a.length < 2 || b.length < 2) return null;
  const within = resolution(a, b);
  if (isConstant(a, within) && isConstant(b, within)) return null;
  const squares = (a.length - 1) * standardDeviation(a) ** 2 + (b.length - 1) * standardDeviation(b) ** 2;
  return (mean(a) - mean(b)) / Math.sqrt(squares / (a.length + b.length - 2));
}

/** Mean of the paired differences over their standard deviation; null without spread or with fewer than two pairs. */
export function cohenDz(a: readonly number[], b: readonly number[]): number | null {
  if (a.length !== b.length) throw new RangeError(`${a.length} values cannot be paired with ${b.length}`);
  const differences = pairedDifferences(a, b);
  if (differences.length < 2 || isConstant(differences, resolution(a, b))) return null;
  return mean(differences) / standardDeviation(differences);
}

function tResult(t: number, df: number): TestResult {
  return { p: asProbability(2 * tCdf(-Math.abs(t), df)), method: "t", statistic: t, df, direction: signOf(t) };
}

function withoutSpread(difference: number, within: number, smallestP: number): TestResult {
  const equal = Math.abs(difference) <= within;
  return {
    p: equal ? 1 : smallestP,
    method: "permutation",
    statistic: null,
    df: null,
    direction: equal ? 0 : signOf(difference),
  };
}

function binomial(n: number, k: number): number {
  let value = 1;
  for (let step = 1; step <= k; step++) value = (value * (n - k + step)) / step;
  return value;
}
