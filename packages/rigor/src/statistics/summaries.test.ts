import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bootstrapMean, bootstrapMeanDifference, meanInterval, wilsonInterval } from "./intervals.ts";
import { mean, median, standardDeviation } from "./summaries.ts";

const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 20 });

describe("summaries", () => {
  test("one value has a mean and nothing else", () => {
    expect(meanInterval([0.7])).toEqual({ n: 1, mean: 0.7, sd: null, low: null, high: null });
  });

  test("no values have no mean, no median and no spread", () => {
    expect(() => mean([])).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
    expect(() => standardDeviation([1])).toThrow(RangeError);
  });

  test("a median lies in the middle, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
  });

  test("a large offset does not swallow the spread", () => {
    expect(standardDeviation([1e9 + 1, 1e9 + 2, 1e9 + 3])).toBeCloseTo(1, 9);
  });

  test("a wider level gives a wider interval around the same mean", () => {
    fc.assert(
      fc.property(values, (x) => {
        const narrow = meanInterval(x, 0.9);
        const wide = meanInterval(x, 0.99);
        expect(wide.low).toBeLessThanOrEqual(narrow.low ?? Number.NaN);
        expect(wide.high).toBeGreaterThanOrEqual(narrow.high ?? Number.NaN);
        expect(wide.mean).toBe(narrow.mean);
      }),
    );
  });

  test("a level outside (0, 1) is refused", () => {
    expect(() => meanInterval([1, 2], 95)).toThrow(RangeError);
  });
});

describe("bootstrap", () => {
  const x = [0.8117, 0.8543, 0.7931, 0.9029, 0.8471, 0.8613, 0.8057, 0.8369];

  test("the same seed gives the same interval, another seed another one", () => {
    expect(bootstrapMean(x, { seed: 7 })).toEqual(bootstrapMean(x, { seed: 7 }));
    expect(bootstrapMean(x, { seed: 7 })).not.toEqual(bootstrapMean(x, { seed: 8 }));
  });

  test("it lies within the data and around the mean, near the normal interval", () => {
    const { low, high } = bootstrapMean(x, { seed: 1 });
    const half = (1.96 * standardDeviation(x)) / Math.sqrt(x.length);
    expect(low).toBeGreaterThan(Math.min(...x));
    expect(high).toBeLessThan(Math.max(...x));
    expect(Math.abs((high - low) / (2 * half) - 1)).toBeLessThan(0.15);
  });

  test("the difference of two samples that lie apart excludes zero", () => {
    const { low, high } = bootstrapMeanDifference(
      x,
      x.map((value) => value - 0.2),
      { seed: 1 },
    );
    expect(low).toBeGreaterThan(0);
    expect(low).toBeLessThan(0.2);
    expect(high).toBeGreaterThan(0.2);
  });
});

describe("Wilson interval", () => {
  test("it stays within [0, 1] and holds the share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, share) => {
        const successes = Math.round(n * share);
        const { low, high } = wilsonInterval(successes, n);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(successes / n);
        expect(high).toBeGreaterThanOrEqual(successes / n);
      }),
    );
  });

  test("no trials say nothing, and more successes than trials are refused", () => {
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
    expect(() => wilsonInterval(3, 2)).toThrow(RangeError);
  });
});
