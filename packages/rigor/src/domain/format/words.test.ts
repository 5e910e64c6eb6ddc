import { expect, test } from "vitest";
import { decisionRemarks, gridText, replacementReason, tableTitle, testName } from "./words.ts";

test("a test is called by what gave the p value", () => {
  expect(testName("paired-t", "t")).toBe("paired t test");
  expect(testName("paired-t", null)).toBe("paired t test");
  expect(testName("wilcoxon", "exact")).toBe("exact Wilcoxon signed-rank test");
  expect(testName("mann-whitney", "normal")).toBe("Mann-Whitney U test, by normal approximation");
  expect(testName("paired-t", "permutation")).toBe("exact sign-flip test");
  expect(replacementReason("paired-t", "permutation")).toBe(
    "in place of the paired t test, because the differences do not vary",
  );
  expect(replacementReason("welch", "permutation")).toContain("in place of Welch's t test");
  expect(replacementReason("paired-t", "t")).toBeNull();
});

test("a table says what it shows, in which direction, and over how many seeds", () => {
  const cell = (n: number, half: number | null) => {
    return { n, mean: 1, low: half === null ? null : 1 - half, high: half === null ? null : 1 + half };
  };
  const facts = { metric: "loss", unit: "nats", goal: "minimize" as const, level: 0.95 };
  expect(tableTitle({ ...facts, rows: [{ cells: [cell(5, 1), cell(5, 1)] }] })).toBe(
    "loss in nats (lower is better): mean ± half of the 95 % t interval over 5 seeds",
  );
  expect(tableTitle({ ...facts, unit: null, rows: [{ cells: [cell(3, 1), cell(5, 1)] }] })).toBe(
    "loss (lower is better): mean ± half of the 95 % t interval over 3 to 5 seeds",
  );
  expect(tableTitle({ ...facts, goal: "maximize", rows: [{ cells: [cell(1, null)] }] })).toBe(
    "loss in nats (higher is better): mean over 1 seed",
  );
  const none = { n: 0, mean: null, low: null, high: null };
  expect(tableTitle({ ...facts, rows: [{ cells: [none] }] })).toBe("loss in nats (lower is better): mean");
});

test("the remarks on a decision say only what holds", () => {
  const confidence = { cap: "high", reasons: [] };
  expect(decisionRemarks({ preregistered: false, notes: ["A note."], correction: "none", confidence })).toEqual([
    "A note.",
    "The p values are not adjusted.",
    "Confidence is at most high.",
  ]);
});

test("a grid is short", () => {
  expect(gridText({ lr: 0.1, name: "a b", on: true })).toBe("lr=0.1, name=a b, on=true");
});
