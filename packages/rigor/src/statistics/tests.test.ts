import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mannWhitney, mcnemar, midranks, wilcoxonSignedRank } from "./rank-tests.ts";
import { cohenD, cohenDz, pairedT, welchT } from "./t-tests.ts";

const allTests = { pairedT, welchT, wilcoxonSignedRank, mannWhitney };
const named = Object.entries(allTests);
const paired = [
  ["pairedT", pairedT],
  ["wilcoxonSignedRank", wilcoxonSignedRank],
] as const;
const unpaired = [
  ["welchT", welchT],
  ["mannWhitney", mannWhitney],
] as const;

/** Values with three decimals, so that ties and equal samples are met often. */
const value = fc.integer({ min: -300, max: 300 }).map((thousandths) => thousandths / 1000);
const samples = fc.integer({ min: 3, max: 32 }).chain((n) =>
  fc.record({
    a: fc.array(value, { minLength: n, maxLength: n }),
    b: fc.array(value, { minLength: n, maxLength: n }),
  }),
);

describe("too little to test [statistics.few-pairs]", () => {
  test.each(named)("%s gives no p value for fewer than three pairs, and says why", (_, run) => {
    for (const n of [0, 1, 2]) {
      const result = run([1, 2].slice(0, n), [4, 7].slice(0, n));
      expect(result).toEqual({ p: null, reason: expect.stringContaining("at least 3") as string });
    }
  });

  test.each(named)("%s gives no p value for a value that is not finite", (_, run) => {
    expect(run([1, Number.NaN, 3], [1, 2, 4])).toEqual({ p: null, reason: "a value is not finite" });
  });

  test.each(paired)("%s refuses samples that cannot be paired", (_, run) => {
    expect(() => run([1, 2, 3], [1, 2, 3, 4])).toThrow(RangeError);
  });
});

describe("samples without spread", () => {
  test("a constant difference gives the sign-flip p value and not p = 0, also when rounding blurs it", () => {
    const a = [0.3, 0.4, 0.5, 0.7, 0.9];
    const b = [0.1, 0.2, 0.3, 0.5, 0.7];
    expect(pairedT(a, b)).toEqual({ p: 0.0625, method: "permutation", statistic: null, df: null, direction: 1 });
    expect(wilcoxonSignedRank(a, b)).toMatchObject({ p: 0.0625, method: "exact" });
    expect(cohenDz(a, b)).toBeNull();
  });

  test("two constant samples give the permutation p value", () => {
    expect(welchT([2, 2, 2], [1, 1, 1])).toMatchObject({ p: 0.1, method: "permutation", direction: 1 });
    expect(mannWhitney([2, 2, 2], [1, 1, 1])).toMatchObject({ p: 0.1, method: "exact" });
    expect(cohenD([2, 2, 2], [1, 1, 1])).toBeNull();
  });

  test.each(named)("%s gives p = 1 for equal samples", (_, run) => {
    expect(run([5, 5, 5, 5], [5, 5, 5, 5])).toMatchObject({ p: 1, direction: 0 });
  });
});

describe("ties and large samples agree with scipy", () => {
  // All signs, and all deals, of the mean ranks were counted one by one.
  test("tied differences are exact", () => {
    const result = wilcoxonSignedRank([1, 1, 2, 0, 3, 3, 0], [0, 0, 0, 1, 0, 0, 2]);
    expect(result).toMatchObject({ p: 0.28125, statistic: 6.5, method: "exact" });
  });

  test("decimal differences that are equal on paper are tied", () => {
    expect(wilcoxonSignedRank([0.1, 0.1, 0.2, 0, 0.3, 0.3, 0], [0, 0, 0, 0.1, 0, 0, 0.2])).toMatchObject({
      p: 0.28125,
    });
  });

  test("tied values of independent samples are exact", () => {
    expect(mannWhitney([1, 2, 2, 3, 5], [2, 2, 1, 1])).toMatchObject({ statistic: 15, method: "exact" });
    expect(mannWhitney([1, 2, 2, 3, 5], [2, 2, 1, 1]).p).toBeCloseTo(0.38095238095238093, 12);
  });

  const a = Array.from({ length: 30 }, (_, i) => Math.round(1000 * (0.3 + 0.013 * ((i * 7) % 31))) / 1000);
  const b = Array.from({ length: 30 }, (_, i) => Math.round(1000 * (0.25 + 0.01 * ((i * 11) % 37))) / 1000);

  test("30 pairs use the normal approximation with continuity correction", () => {
    expect(wilcoxonSignedRank(a, b)).toMatchObject({ method: "normal", statistic: 130 });
    expect(wilcoxonSignedRank(a, b).p).toBeCloseTo(0.03590774131287522, 12);
  });

  test("60 values with ties use the corrected normal approximation", () => {
    expect(mannWhitney(a, b)).toMatchObject({ method: "normal", statistic: 584.5 });
    expect(mannWhitney(a, b).p).toBeCloseTo(0.04756934464863155, 12);
  });
});

describe("what holds for any samples", () => {
  test.each(named)("%s gives a p value in (0, 1]", (_, run) => {
    fc.assert(
      fc.property(samples, ({ a, b }) => {
        const { p } = run(a, b);
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1);
      }),
    );
  });

  test.each(named)("%s turns its direction and keeps p when the arms are swapped", (_, run) => {
    fc.assert(
      fc.property(samples, ({ a, b }) => {
        const forth = run(a, b);
        const back = run(b, a);
        if (forth.p === null || back.p === null) throw new Error("not testable");
        expect(back.p).toBeCloseTo(forth.p, 10);
        expect(back.direction + forth.direction).toBe(0);
      }),
    );
  });

  test.each(unpaired)("%s does not depend on the order of values", (_, run) => {
    fc.assert(
      fc.property(samples, ({ a, b }) => {
        expect(run([...a].reverse(), b).p ?? -1).toBeCloseTo(run(a, b).p ?? -2, 10);
      }),
    );
  });

  test("effect sizes turn their sign when the arms are swapped", () => {
    fc.assert(
      fc.property(samples, ({ a, b }) => {
        expect((cohenD(a, b) ?? 0) + (cohenD(b, a) ?? 0)).toBeCloseTo(0, 10);
        expect((cohenDz(a, b) ?? 0) + (cohenDz(b, a) ?? 0)).toBeCloseTo(0, 10);
      }),
    );
  });

  test("mean ranks add up to n(n+1)/2", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), (x) => {
        expect(midranks(x, 0).reduce((sum, rank) => sum + rank, 0)).toBe((x.length * (x.length + 1)) / 2);
      }),
    );
  });
});

describe("mcnemar", () => {
  test("systems that never disagree, or equally often, cannot be told apart", () => {
    expect(mcnemar(0, 0)).toMatchObject({ p: 1, direction: 0 });
    expect(mcnemar(7, 7)).toMatchObject({ p: 1, direction: 0 });
  });

  test("counts beyond the range of 2^n still give a probability", () => {
    const { p } = mcnemar(900, 1100);
    // scipy.stats.binomtest(900, 2000).pvalue
    expect(p).toBeCloseTo(8.45708953550381e-6, 15);
  });

  test("what is no count is refused", () => {
    expect(() => mcnemar(-1, 2)).toThrow(RangeError);
    expect(() => mcnemar(0.5, 2)).toThrow(RangeError);
  });
});

test("cohenD divides by the pooled standard deviation", () => {
  // Means 3 and 5, variances 1 and 4, two degrees of freedom each: -2 / sqrt(2.5).
  expect(cohenD([2, 3, 4], [3, 5, 7])).toBeCloseTo(-2 / Math.sqrt(2.5), 12);
});
