import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ago, bytes, duration, gridText, number, plural, rate, seedsText, withUncertainty } from "./format.ts";

describe("numbers", () => {
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
      "1.000e-5",
      "2.500e9",
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
});

describe("units", () => {
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

  test("rates take the unit in which they are at least one", () => {
    expect([1200, 3.24, 1, 0.2, 0.02, 0.001].map(rate)).toEqual([
      "1,200/s",
      "3.2/s",
      "1/s",
      "12/min",
      "1.2/min",
      "3.6/h",
    ]);
  });

  test("times in the past are rounded down, and a clock that jumped back shows no negative time", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    const times = ["2026-01-02T00:00:09Z", "2026-01-01T23:59:30Z", "2026-01-01T23:01:00Z", "2025-12-30T00:00:00Z"];
    expect(times.map((time) => ago(time, now))).toEqual(["now", "30 s ago", "59 min ago", "3 d ago"]);
  });
});

test("a grid and seeds are short", () => {
  expect(gridText({ lr: 0.1, name: "a b", on: true })).toBe("lr=0.1, name=a b, on=true");
  expect([seedsText([0, 1, 2]), seedsText([0, 1, 2, 3, 4, 5, 6, 7]), seedsText([7, 3]), seedsText([])]).toEqual([
    "0, 1, 2",
    "0 to 7",
    "7, 3",
    "none",
  ]);
});
