import { describe, expect, test } from "vitest";
import { experimentExit, hasEnded } from "./exit-status.ts";
import type { HoldCode } from "../../domain/records.ts";
import { experiment, runCounts } from "../cli.testing.ts";

const held = (code: HoldCode) =>
  experiment({ state: "held", hold: { code, reason: "", options: [], since: "2026-01-01T00:00:00Z" } });

describe("the exit status of an experiment [cli.exit-codes]", () => {
  test("is 0 when all runs are done and the decision is supported, or there is no rule", () => {
    expect(experimentExit(experiment({ state: "decided", outcome: "supported" }))).toBe(0);
    expect(experimentExit(experiment({ state: "decided", outcome: null }))).toBe(0);
  });

  test("is 1 when the decision is another one", () => {
    expect(experimentExit(experiment({ state: "decided", outcome: "refuted" }))).toBe(1);
    expect(experimentExit(experiment({ state: "decided", outcome: "inconclusive" }))).toBe(1);
  });

  test("is 1 when runs went wrong, also if a person decided without them", () => {
    expect(experimentExit(held("runs-failed"))).toBe(1);
    expect(experimentExit(held("checks-failed"))).toBe(1);
    expect(experimentExit(held("command-missing"))).toBe(1);
    const without = experiment({ state: "decided", outcome: "supported", counts: runCounts({ done: 9, failed: 1 }) });
    expect(experimentExit(without)).toBe(1);
    expect(experimentExit(experiment({ state: "cancelled" }))).toBe(1);
  });

  test("is 3 when it waits", () => {
    const codes = ["person", "budget", "preparation", "compute", "stage-failed"] as const;
    expect(codes.map((code) => experimentExit(held(code)))).toEqual([3, 3, 3, 3, 3]);
  });
});

test("an experiment that decides has not ended", () => {
  const states = ["draft", "running", "deciding", "decided", "held", "cancelled", "archived"] as const;
  expect(states.filter((state) => hasEnded({ state }))).toEqual(["decided", "held", "cancelled", "archived"]);
});
