import normalCdf from "@stdlib/stats-base-dists-normal-cdf";
import {
  asProbability,
  notTestable,
  pairedDifferences,
  pairsProblem,
  resolution,
  samplesProblem,
  signOf,
  type TestedResult,
  type TestResult,
} from "./test-result.ts";

/** Up to here (pairs that differ; values of both arms together) p is exact; above it is a normal approximation. */
export const exactLimits = { wilcoxon: 25, mannWhitney: 50 } as const;

/**
 * Wilcoxon signed-rank test, two-sided. Pairs without a difference are dropped (Wilcoxon's own rule), tied
 * differences share their mean rank, and the exact p value is taken over all signs of those ranks. The statistic is
 * the smaller of the two rank sums.
 *
 * @throws RangeError when the samples differ in length.
 */
export function wilcoxonSignedRank(a: readonly number[], b: readonly number[]): TestResult {
  const problem = pairsProblem(a, b);
  if (problem !== null) return notTestable(problem);
  const within = resolution(a, b);
  const differences = pairedDifferences(a, b).filter((difference) => Math.abs(difference) > within);
  const ranks = midranks(differences.map(Math.abs), within);
  const total = sum(ranks);
  const positive = sum(ranks.filter((_, index) => (differences[index] ?? 0) > 0));
  const p =
    differences.length <= exactLimits.wilcoxon
      ? exactTwoSided(signedRankCounts(ranks), 2 * positive)
      : normalTwoSided(positive, total / 2, signedRankVariance(ranks));
  return rankResult(p, Math.min(positive, total - positive), positive - total / 2, differences.length, "wilcoxon");
}

/**
 * Mann-Whitney U test for independent samples, two-sided; ties share their mean rank, and the exact p value is taken
 * over all ways to deal those ranks to the two samples. The statistic is U of the first sample.
 */
export function mannWhitney(a: readonly number[], b: readonly number[]): TestResult {
  const problem = samplesProblem(a, b);
  if (problem !== null) return notTestable(problem);
  const ranks = midranks([...a, ...b], resolution(a, b));
  const rankSum = sum(ranks.slice(0, a.length));
  const u = rankSum - (a.length * (a.length + 1)) / 2;
  const middle = (a.length * b.length) / 2;
  const p =
    ranks.length <= exactLimits.mannWhitney
      ? exactTwoSided(dealtRankCounts(ranks, a.length), 2 * rankSum)
      : normalTwoSided(u, middle, dealtRankVariance(ranks, a.length, b.length));
  return rankResult(p, u, u - middle, ranks.length, "mannWhitney");
}

/**
 * McNemar's exact test: of the items on which two systems disagree, only `onlyA` were right under the first and only
 * `onlyB` under the second. Two-sided binomial p; 1 when they never disagree.
 *
 * @throws RangeError unless both are counts.
 */
export function mcnemar(onlyA: number, onlyB: number): TestedResult {
  if (![onlyA, onlyB].every((value) => Number.isSafeInteger(value) && value >= 0)) {
    throw new RangeError(`${onlyA} and ${onlyB} are not both counts`);
  }
  return {
    p: asProbability(2 * fairCoinTail(Math.min(onlyA, onlyB), onlyA + onlyB)),
    method: "exact",
    statistic: Math.min(onlyA, onlyB),
    df: null,
    direction: signOf(onlyA - onlyB),
  };
}

/** Ranks from 1; values within `within` of their neighbour are tied and share the mean of their ranks. */
export function midranks(x: readonly number[], within: number): number[] {
  const order = x.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value);
  const ranks = new Array<number>(x.length).fill(0);
  let start = 0;
  for (let end = 1; end <= order.length; end++) {
    const previous = order[end - 1];
    const next = order[end];
    if (previous !== undefined && next !== undefined && next.value - previous.value <= within) continue;
    for (const { index } of order.slice(start, end)) ranks[index] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** For each doubled rank sum, how many of the 2^n choices of signs give it. Doubled, mean ranks are integers. */
function signedRankCounts(ranks: readonly number[]): Float64Array {
  const counts = new Float64Array(2 * sum(ranks) + 1);
  counts[0] = 1;
  for (const rank of ranks) addShifted(counts, counts, 2 * rank);
  return counts;
}

/** For each doubled rank sum, how many of the choices of `size` ranks give it. */
function dealtRankCounts(ranks: readonly number[], size: number): Float64Array {
  const bySize = Array.from({ length: size + 1 }, () => new Float64Array(2 * sum(ranks) + 1));
  const [none] = bySize;
  if (none !== undefined) none[0] = 1;
  for (const rank of ranks) {
    for (let taken = size; taken >= 1; taken--) {
      const target = bySize[taken];
      const source = bySize[taken - 1];
      if (target !== undefined && source !== undefined) addShifted(target, source, 2 * rank);
    }
  }
  return bySize[size] ?? new Float64Array(0);
}

/** target[i] += source[i - shift], from the top, so that target and source may be the same. */
function addShifted(target: Float64Array, source: Float64Array, shift: number): void {
  for (let index = target.length - 1; index >= shift; index--) {
    target[index] = (target[index] ?? 0) + (source[index - shift] ?? 0);
  }
}

/** Twice the smaller tail, both including the observed place. */
function exactTwoSided(counts: Float64Array, observed: number): number {
  const below = sum(counts.subarray(0, observed + 1));
  const above = sum(counts.subarray(observed));
  return asProbability((2 * Math.min(below, above)) / sum(counts));
}

/** Normal tail with continuity correction. */
function normalTwoSided(observed: number, middle: number, variance: number): number {
  const distance = Math.max(0, Math.abs(observed - middle) - 0.5);
  return variance === 0 ? 1 : asProbability(2 * normalCdf(-distance / Math.sqrt(variance), 0, 1));
}

function signedRankVariance(ranks: readonly number[]): number {
  // The sum of squared mean ranks is n(n+1)(2n+1)/6 less the usual correction for ties.
  return ranks.reduce((squares, rank) => squares + rank ** 2, 0) / 4;
}

function dealtRankVariance(ranks: readonly number[], sizeA: number, sizeB: number): number {
  const n = ranks.length;
  const spread = ranks.reduce((squares, rank) => squares + (rank - (n + 1) / 2) ** 2, 0);
  return (sizeA * sizeB * spread) / (n * (n - 1));
}

/** P(X <= successes) for a fair coin; in logarithms, because 2^n leaves the range of numbers at n = 1024. */
function fairCoinTail(successes: number, n: number): number {
  let logTerm = -n * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let k = 1; k <= successes; k++) {
    logTerm += Math.log((n - k + 1) / k);
    tail += Math.exp(logTerm);
  }
  return tail;
}

function rankResult(
  p: number,
  statistic: number,
  lean: number,
  n: number,
  test: keyof typeof exactLimits,
): TestedResult {
  return { p, method: n <= exactLimits[test] ? "exact" : "normal", statistic, df: null, direction: signOf(lean) };
}

function sum(x: Iterable<number>): number {
  let total = 0;
  for (const value of x) total += value;
  return total;
}
