import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytes, duration, number, percent, plural, pText, roundedBy, withUncertainty, type Digits } from "./numbers.ts";

describe("numbers", () => {
  test("durations use at most two units", () => {
    expect([0.04, 0.36, 9.96, 42.4, 59.6, 60, 200, 3600, 7500, 86_399, 100_000].map(duration)).toEqual([
      "0 s",
      "0.4 s",
      "10 s",
      "42 s",
      "1 min",
      "1 min",
      "3 min 20 s",
      "1 h",
      "2 h 5 min",
      "1 d",
      "1 d 4 h",
    ]);
  });

  test("a value ends where its uncertainty does", () => {
    expect(withUncertainty(93.3127, 0.42)).toBe("93.3 ± 0.4");
    expect(withUncertainty(93.3127, 0.142)).toBe("93.31 ± 0.14");
    expect(withUncertainty(151.26, 34.1)).toBe("151 ± 34");
    expect(withUncertainty(0.5, 0.0961)).toBe("0.50 ± 0.10");
    expect(withUncertainty(-0.001, 0.3)).toBe("0.0 ± 0.3");
    expect(withUncertainty(3, 0)).toBe("3 ± 0");
    expect(withUncertainty(0.0000123, 0.0000004)).toBe("(1.23 ± 0.04)e-5");
    expect(withUncertainty(12_345_678, 100_000)).toBe("(1.235 ± 0.010)e7");
  });

  test("a value alone has four significant digits and no empty ones", () => {
    expect([0, 20, 0.5, 0.123456, 151.2345, 12345.678, 1e-5, 2.5e9].map((value) => number(value))).toEqual([
      "0",
      "20",
      "0.5",
      "0.1235",
      "151.2",
      "12346",
      "1e-5",
      "2.5e9",
    ]);
  });

  test("a printed value is never further away than its last digit", () => {
    fc.assert(
      fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), (value) => {
        expect(Math.abs(Number(number(value)) - value)).toBeLessThanOrEqual(Math.abs(value) * 1e-3 + 1e-300);
      }),
    );
  });

  test("counts agree with their noun", () => {
    expect([plural(1, "run"), plural(0, "run"), plural(12_000, "run"), plural(2, "entry", "entries")]).toEqual([
      "1 run",
      "0 runs",
      "12,000 runs",
      "2 entries",
    ]);
  });

  test("bytes are in powers of 1000", () => {
    expect([0, 999, 1000, 1500, 999_900, 25_000_000_000].map(bytes)).toEqual([
      "0 B",
      "999 B",
      "1 kB",
      "1.5 kB",
      "1 MB",
      "25 GB",
    ]);
  });

  test("a share of one is a percentage without rounding errors", () => {
    expect([0.95, 1 - 0.05, 0.999].map(percent)).toEqual(["95 %", "95 %", "99.9 %"]);
  });

  test("a p value never reads as zero", () => {
    expect(pText(0)).toBe("< 0.0001");
    expect(pText(0.000123456)).toBe("0.000123");
    expect(pText(1)).toBe("1");
  });
});

describe("numbers that share their last digit", () => {
  test.each<[number[], number | null, Digits, string[], number]>([
    [[93.3456, 0.4321], 0.4321, "two", ["93.35", "0.43"], 0],
    [[93.3456, 0.4321], 0.4321, "few", ["93.3", "0.4"], 0],
    [[0.5, 0.0996], 0.0996, "two", ["0.50", "0.10"], 0],
    [[4567.89, 123.4], 123.4, "two", ["4568", "123"], 0],
    [[-0.0001, 12], 12, "two", ["0", "12"], 0],
    [[1.234e-9, 4.2e-11], 4.2e-11, "two", ["1.234", "0.042"], -9],
    [[1.234e-9, 4.2e-11], 4.2e-11, "few", ["1.23", "0.04"], -9],
    [[5e-324, 5e-324], 5e-324, "two", ["5.0", "5.0"], -324],
    [[2.5e8], null, "few", ["2.5"], 8],
    [[0.123456], null, "few", ["0.1235"], 0],
    [[12345.678], null, "few", ["12346"], 0],
    [[0.5, 0], 0, "few", ["0.5", "0"], 0],
    [[0.7, 1e-17], 1e-17, "few", ["0.7", "0"], 0],
    [[Number.NaN, 1], 1, "few", ["NaN", "1"], 0],
  ])("%j by %d, %s digits", (values, uncertainty, digits, texts, exponent) => {
    expect(roundedBy(uncertainty, values, digits)).toEqual({ texts, exponent });
  });

  test.each<[Digits, number]>([
    ["two", 0.0501],
    ["few", 0.251],
  ])("what is rounded to %s digits lies within that share of the uncertainty", (digits, share) => {
    const value = fc.double({ noNaN: true, min: -1e12, max: 1e12 });
    fc.assert(
      fc.property(value, fc.double({ noNaN: true, min: 1e-6, max: 1e12 }), (exact, half) => {
        fc.pre(half > Math.abs(exact) * 1e-10);
        const { texts, exponent } = roundedBy(half, [exact, half], digits);
        for (const [index, one] of [exact, half].entries()) {
          expect(Math.abs(Number(`${texts[index]}e${exponent}`) - one)).toBeLessThanOrEqual(half * share + 1e-12);
        }
      }),
    );
  });
});
