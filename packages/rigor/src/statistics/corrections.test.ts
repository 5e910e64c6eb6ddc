import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adjust, type Correction } from "./corrections.ts";

const methods: Correction[] = ["holm", "benjamini-hochberg", "bonferroni", "none"];
const pValues = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

describe.each(methods)("%s [F56]", (method) => {
  test("adjusted values are no smaller than the raw ones and at most 1", () => {
    fc.assert(
      fc.property(pValues, (p) => {
        const adjusted = adjust(p, method);
        expect(adjusted).toHaveLength(p.length);
        for (const [index, value] of adjusted.entries()) {
          expect(value).toBeGreaterThanOrEqual(p[index] ?? Number.NaN);
          expect(value).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("the order of the values is kept: a smaller p never gets a larger adjusted one", () => {
    fc.assert(
      fc.property(pValues, (p) => {
        const pairs = adjust(p, method).map((adjusted, index) => ({ raw: p[index] ?? Number.NaN, adjusted }));
        pairs.sort((a, b) => a.raw - b.raw || a.adjusted - b.adjusted);
        const adjusted = pairs.map((pair) => pair.adjusted);
        expect(adjusted).toEqual([...adjusted].sort((a, b) => a - b));
      }),
    );
  });

  test("each value keeps its place, whatever the order in which they come", () => {
    fc.assert(
      fc.property(pValues, (p) => {
        expect(adjust([...p].reverse(), method)).toEqual(adjust(p, method).reverse());
      }),
    );
  });

  test("a value alone is not changed", () => {
    expect(adjust([0.03], method)).toEqual([0.03]);
  });

  test("what is no p value is refused", () => {
    expect(() => adjust([0.1, Number.NaN], method)).toThrow(RangeError);
    expect(() => adjust([1.1], method)).toThrow(RangeError);
  });
});

test("Holm lies between no correction and Bonferroni, Benjamini-Hochberg at most at Holm", () => {
  fc.assert(
    fc.property(pValues, (p) => {
      const holm = adjust(p, "holm");
      const bonferroni = adjust(p, "bonferroni");
      const share = adjust(p, "benjamini-hochberg");
      for (const [index, value] of holm.entries()) {
        expect(value).toBeLessThanOrEqual(bonferroni[index] ?? Number.NaN);
        expect(share[index]).toBeLessThanOrEqual(value * (1 + 1e-12));
      }
    }),
  );
});
