import normalQuantile from "@stdlib/stats-base-dists-normal-quantile";
import tQuantile from "@stdlib/stats-base-dists-t-quantile";
import { seededRandom } from "./random.ts";
import { ascending, mean, quantileOfSorted, standardDeviation } from "./summaries.ts";

export interface Interval {
  low: number;
  high: number;
}

export interface MeanInterval {
  n: number;
  mean: number;
  /** With n - 1; null for one value, which says nothing about spread. */
  sd: number | null;
  low: number | null;
  high: number | null;
}

export interface BootstrapOptions {
  seed: number;
  level?: number;
  resamples?: number;
}

/** Mean with its Student t interval. @throws RangeError for an empty list or a level outside (0, 1). */
export function meanInterval(x: readonly number[], level = 0.95): MeanInterval {
  assertLevel(level);
  const centre = mean(x);
  if (x.length === 1) return { n: 1, mean: centre, sd: null, low: null, high: null };
  const sd = standardDeviation(x);
  const half = (tQuantile(1 - (1 - level) / 2, x.length - 1) * sd) / Math.sqrt(x.length);
  return { n: x.length, mean: centre, sd, low: centre - half, high: centre + half };
}

/** Percentile bootstrap interval of a mean; the same seed gives the same interval. */
export function bootstrapMean(x: readonly number[], options: BootstrapOptions): Interval {
  return percentileInterval(options, (random) => resampledMean(x, random));
}

/** Percentile bootstrap interval of mean(a) - mean(b), both resampled on their own. */
export function bootstrapMeanDifference(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions,
): Interval {
  return percentileInterval(options, (random) => resampledMean(a, random) - resampledMean(b, random));
}

/**
 * Wilson score interval of a proportion (Wilson 1927). Without trials it is all of [0, 1].
 *
 * @throws RangeError unless 0 <= successes <= n, both integers.
 */
export function wilsonInterval(successes: number, n: number, level = 0.95): Interval {
  assertLevel(level);
  if (!Number.isInteger(successes) || !Number.isInteger(n) || successes < 0 || successes > n) {
    throw new RangeError(`${successes} of ${n} is no proportion`);
  }
  if (n === 0) return { low: 0, high: 1 };
  const z = normalQuantile(1 - (1 - level) / 2, 0, 1);
  const share = successes / n;
  const scale = 1 + z ** 2 / n;
  const centre = (share + z ** 2 / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2));
  // At 0 and n the bound is exactly 0 or 1; rounding must not move it past.
  return { low: successes === 0 ? 0 : centre - half, high: successes === n ? 1 : centre + half };
}

function percentileInterval(
  { seed, level = 0.95, resamples = 10_000 }: BootstrapOptions,
  draw: (random: () => number) => number,
): Interval {
  assertLevel(level);
  const random = seededRandom(seed);
  const draws = Array.from({ length: resamples }, () => draw(random)).sort(ascending);
  return {
    low: quantileOfSorted(draws, (1 - level) / 2),
    high: quantileOfSorted(draws, 1 - (1 - level) / 2),
  };
}

function resampledMean(x: readonly number[], random: () => number): number {
  let sum = 0;
  for (let drawn = 0; drawn < x.length; drawn++) sum += x[Math.floor(random() * x.length)] ?? Number.NaN;
  return sum / x.length;
}

function assertLevel(level: number): void {
  if (!(level > 0 && level < 1)) throw new RangeError(`an interval's level lies between 0 and 1, not at ${level}`);
}
