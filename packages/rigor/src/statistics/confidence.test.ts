import { describe, expect, test } from "vitest";
import { cappedConfidence, confidenceCap, type ConfidenceInput } from "./confidence.ts";

const strong: ConfidenceInput = {
  seeds: 5,
  effects: [{ interval: { low: 0.02, high: 0.05 }, min_effect: 0.01 }],
  open_concerns: 0,
  reproduced: true,
};

describe("confidence is capped", () => {
  test("high takes everything", () => {
    expect(confidenceCap(strong)).toEqual({ cap: "high", reasons: [] });
  });

  test.each<[string, Partial<ConfidenceInput>]>([
    ["4 seeds", { seeds: 4 }],
    ["zero", { effects: [{ interval: { low: -0.01, high: 0.05 }, min_effect: 0 }] }],
    ["min_effect", { effects: [{ interval: { low: 0.005, high: 0.05 }, min_effect: 0.01 }] }],
    ["no interval", { effects: [...strong.effects, { interval: null, min_effect: 0 }] }],
    ["no effect", { effects: [] }],
    ["open concern", { open_concerns: 1 }],
    ["reproduced", { reproduced: false }],
  ])("%s keeps it at moderate, and says so", (reason, changes) => {
    const { cap, reasons } = confidenceCap({ ...strong, ...changes });
    expect(cap).toBe("moderate");
    expect(reasons.join()).toContain(reason);
  });

  test("fewer than three seeds are low, whatever else holds", () => {
    expect(confidenceCap({ ...strong, seeds: 3 }).cap).toBe("moderate");
    expect(confidenceCap({ ...strong, seeds: 2 }).cap).toBe("low");
    expect(confidenceCap({ ...strong, seeds: Number.NaN }).cap).toBe("low");
  });

  test("a person may lower it, never raise it", () => {
    expect(cappedConfidence("moderate", "low")).toBe("low");
    expect(cappedConfidence("moderate", "high")).toBe("moderate");
    expect(cappedConfidence("high", "high")).toBe("high");
  });
});
