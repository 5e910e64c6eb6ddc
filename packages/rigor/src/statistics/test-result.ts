import { plural } from "../domain/format/numbers.ts";

/** How a p value was found. */
export type TestMethod = "t" | "exact" | "normal" | "permutation";

/** What a two-sided test says, or why it says nothing. */
export type TestResult = TestedResult | { p: null; reason: string };

export interface TestedResult {
  /** Two-sided, in (0, 1]. */
  p: number;
  method: TestMethod;
  /** Null where the statistic is not defined, as t without any spread. */
  statistic: number | null;
  df: number | null;
  /** Which way the test's own statistic points: 1 when the first sample is larger. */
  direction: -1 | 0 | 1;
}

/** Fewer pairs, or fewer values in an arm, are never given a p value. */
export const fewestPairs = 3;

export function notTestable(reason: string): { p: null; reason: string } {
  return { p: null, reason };
}

/** Why two samples cannot be compared in pairs, or null. @throws RangeError when their lengths differ. */
export function pairsProblem(a: readonly number[], b: readonly number[]): string | null {
  if (a.length !== b.length) throw new RangeError(`${a.length} values cannot be paired with ${b.length}`);
  if (a.length < fewestPairs) return `${plural(a.length, "pair")}, at least ${fewestPairs} are needed`;
  return finiteProblem(a, b);
}

/** Why two independent samples cannot be compared, or null. */
export function samplesProblem(a: readonly number[], b: readonly number[]): string | null {
  const fewest = Math.min(a.length, b.length);
  if (fewest < fewestPairs) return `an arm has ${plural(fewest, "value")}, at least ${fewestPairs} are needed`;
  return finiteProblem(a, b);
}

/**
 * Differences closer than this are rounding, not data: a difference of decimals such as 0.3 - 0.1 is off by a few
 * units in the last place, which would break ties and would turn equal differences into an enormous t.
 */
export function resolution(...samples: readonly (readonly number[])[]): number {
  return 16 * Number.EPSILON * Math.max(0, ...samples.flat().map(Math.abs));
}

export function pairedDifferences(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, index) => value - (b[index] ?? Number.NaN));
}

export function isConstant(x: readonly number[], within: number): boolean {
  return Math.max(...x) - Math.min(...x) <= within;
}

export function signOf(value: number): -1 | 0 | 1 {
  if (value > 0) return 1;
  return value < 0 ? -1 : 0;
}

/** A tail that underflows is still not zero. */
export function asProbability(p: number): number {
  return Math.min(1, Math.max(Number.MIN_VALUE, p));
}

function finiteProblem(a: readonly number[], b: readonly number[]): string | null {
  return [...a, ...b].every(Number.isFinite) ? null : "a value is not finite";
}
