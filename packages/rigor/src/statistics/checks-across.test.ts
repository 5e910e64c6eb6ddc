import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkAcross, type RunResult } from "./checks-across.ts";
import { experiment, type TestedExperiment } from "./statistics.testing.ts";

function result(arm: string, seed: number, changes: Partial<RunResult> = {}): RunResult {
  const metrics = { accuracy: 0.8 + 0.01 * seed, loss: 0.31234567 + 0.1 * seed + (arm === "ours" ? 0.05 : 0) };
  return { run_id: `${arm}-${seed}`, arm, task: "sst2", grid: {}, seed, metrics, inputs_hash: "h", ...changes };
}

const good = ["base", "ours"].flatMap((arm) => [0, 1, 2].map((seed) => result(arm, seed)));

function replaced(run_id: string, changes: Partial<RunResult>): RunResult[] {
  return good.map((one) => (one.run_id === run_id ? { ...one, ...changes } : one));
}

function check(results: RunResult[], changes: Partial<TestedExperiment["checks"]> = {}) {
  const base = experiment();
  return checkAcross({ experiment: { ...base, checks: { ...base.checks, ...changes } }, planned: good, results });
}

describe("runs are checked against each other [checks.across]", () => {
  test("good runs have no failure, in any order", () => {
    expect(check(good)).toEqual([]);
    const bad = replaced("ours-1", { inputs_hash: "other", metrics: result("ours", 0).metrics });
    const expected = check(bad);
    expect(expected).toHaveLength(2);
    fc.assert(
      fc.property(fc.shuffledSubarray(bad, { minLength: bad.length }), (results) => {
        expect(check(results)).toEqual(expected);
      }),
    );
  });

  test("a planned run without a result is named [F52]", () => {
    expect(check(good.slice(1))).toMatchObject([
      {
        rule: "all-present",
        message: "1 planned run has no valid result, first base on sst2, seed 0.",
        values: { missing: [{ arm: "base", task: "sst2", grid: {}, seed: 0 }] },
      },
    ]);
  });

  test("two runs in one place are refused [F52]", () => {
    const failures = check([...good, result("ours", 0, { run_id: "again", metrics: { accuracy: 0.99, loss: 0.1 } })]);
    expect(failures).toMatchObject([{ rule: "all-present", run_ids: ["again", "ours-0"] }]);
  });

  test("results that are not planned do not count [F53]", () => {
    expect(check([...good, result("ours", 77, { inputs_hash: "other" })])).toEqual([]);
  });
});

const withMetrics = (ours: (seed: number) => Record<string, number>) =>
  good.map((one) => (one.arm === "ours" ? { ...one, metrics: ours(one.seed) } : one));

describe("seeds that change nothing [checks.across]", () => {
  test("all seeds equal in all metrics are found", () => {
    expect(check(withMetrics(() => ({ accuracy: 1, loss: 0.5 })))).toMatchObject([
      {
        rule: "seeds-differ",
        run_ids: ["ours-0", "ours-1", "ours-2"],
        message: "Seeds 0, 1, 2 gave exactly the same accuracy = 1, loss = 0.5: ours on sst2.",
        values: { same: { accuracy: 1, loss: 0.5 }, seeds: [0, 1, 2] },
      },
    ]);
  });

  test("one metric that is saturated is not enough", () => {
    expect(check(withMetrics((seed) => ({ accuracy: 1, loss: 0.5 + 0.01 * seed })))).toEqual([]);
  });

  test("two of three seeds equal to the last digit are found, coarse values may coincide", () => {
    const copied = withMetrics((seed) => ({ accuracy: 0.9, loss: seed === 2 ? 0.7 : 0.31234567 }));
    expect(check(copied)).toMatchObject([{ rule: "seeds-differ", run_ids: ["ours-0", "ours-1"] }]);
    expect(check(withMetrics((seed) => ({ accuracy: 0.9, loss: seed === 2 ? 0.7 : 0.3 })))).toEqual([]);
  });

  test("metrics that may be constant neither accuse nor excuse", () => {
    const constant = withMetrics((seed) => ({ accuracy: 1, loss: 0.1 * (seed + 1) }));
    expect(check(constant, { constant_allowed: ["loss"] })).toMatchObject([{ rule: "seeds-differ" }]);
    expect(check(constant, { constant_allowed: ["accuracy", "loss"] })).toEqual([]);
  });

  test("a single seed cannot differ from itself", () => {
    const one = good.filter(({ seed }) => seed === 0);
    const base = experiment();
    expect(checkAcross({ experiment: base, planned: one, results: one })).toEqual([]);
  });
});

const rulesOf = (chance: Record<string, number>) => check(good, { chance }).map(({ rule, run_ids }) => [rule, run_ids]);

describe("a baseline at or below chance is refused [F51]", () => {
  const baseline = ["above-chance", ["base-0", "base-1", "base-2"]];

  test("for a metric to be maximised the mean must lie above", () => {
    expect(rulesOf({ accuracy: 0.5 })).toEqual([]);
    expect(rulesOf({ accuracy: 0.9 })).toEqual([baseline]);
  });

  test("for a metric to be minimised it must lie below", () => {
    expect(rulesOf({ loss: 0.7 })).toEqual([]);
    expect(rulesOf({ loss: 0.3 })).toEqual([baseline]);
  });

  test("exactly at chance is refused, with the values", () => {
    const atChance = good.map((one) => ({ ...one, metrics: { accuracy: 0.4 + 0.1 * one.seed, loss: one.seed + 1 } }));
    expect(check(atChance, { chance: { accuracy: 0.5 } })).toMatchObject([
      {
        rule: "above-chance",
        message: expect.stringContaining("The baseline's mean accuracy, 0.5, is not above chance (0.5)"),
        values: { metric: "accuracy", values: [0.4, 0.5, expect.closeTo(0.6)], mean: 0.5, chance: 0.5 },
      },
    ]);
  });
});

describe("arms of a task must see the same inputs [F50]", () => {
  test("another hash is found, with the runs and what each saw", () => {
    expect(check(replaced("ours-1", { inputs_hash: "other" }))).toMatchObject([
      {
        rule: "same-inputs",
        message: "Arms saw different inputs: base on sst2; ours on sst2.",
        values: { inputs_hash: { "base-1": "h", "ours-1": "other" } },
        run_ids: ["base-1", "ours-1"],
      },
    ]);
  });

  test("inputs drawn by seed are fine as long as the arms agree", () => {
    expect(check(good.map((one) => ({ ...one, inputs_hash: `h${one.seed}` })))).toEqual([]);
  });

  test("a run that keeps silent while others report is found", () => {
    expect(check(replaced("ours-1", { inputs_hash: null }))).toMatchObject([
      { rule: "same-inputs", run_ids: ["ours-1"] },
    ]);
  });

  test("nobody has to report, and the check can be switched off", () => {
    expect(check(good.map(({ arm, seed }) => result(arm, seed, { inputs_hash: null })))).toEqual([]);
    expect(check(replaced("ours-1", { inputs_hash: "other" }), { same_inputs: false })).toEqual([]);
  });
});
