import { describe, expect, test } from "vitest";
import { ago, rate, seedsText } from "./format.ts";

describe("units", () => {
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

test("seeds are short", () => {
  expect([seedsText([0, 1, 2]), seedsText([0, 1, 2, 3, 4, 5, 6, 7]), seedsText([7, 3]), seedsText([])]).toEqual([
    "0, 1, 2",
    "0 to 7",
    "7, 3",
    "none",
  ]);
});
