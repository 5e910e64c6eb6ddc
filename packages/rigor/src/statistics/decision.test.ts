import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Comparison, DecisionRule } from "../domain/experiment.ts";
import { ruleHash } from "./decision-rule.ts";
import { decide, type ComparisonResult, type Decision } from "./decision.ts";
import { comparison, experiment, measured, plannedRuns, type Values } from "./statistics.testing.ts";

const base = [0.8, 0.81, 0.79, 0.82, 0.8];
const clearlyBetter = [0.85, 0.865, 0.84, 0.868, 0.852];

function rule(comparisons: Comparison[], correction: DecisionRule["correction"] = "holm") {
  return experiment({ decision: { comparisons, correction } });
}

function decideOn(values: Values, changes: Partial<Comparison> = {}): Decision {
  const one = comparison(changes);
  return decide({
    experiment: rule([one]),
    planned: plannedRuns(values),
    measurements: measured(values, one.metric),
  });
}

function only(decision: Decision): ComparisonResult {
  const [first, ...more] = decision.comparisons;
  if (first === undefined || more.length > 0) throw new Error("not one comparison");
  return first;
}

const sst2 = (ours: readonly (number | undefined)[], than: readonly (number | undefined)[] = base): Values => ({
  ours: { sst2: ours },
  base: { sst2: than },
});

describe("the rule gives supported, refuted or inconclusive [decision.rule]", () => {
  test("a clear difference in the stated direction is supported, with effect, interval, p and reason", () => {
    const decision = decideOn(sst2(clearlyBetter), { min_effect: 0.02 });
    expect(decision.outcome).toBe("supported");
    const result = only(decision);
    expect(result).toMatchObject({ verdict: "supported", n_pairs: 5, method: "t", df: 4, testable: true, missing: [] });
    expect(result.effect).toBeCloseTo(0.051, 12);
    expect(result.interval?.level).toBe(0.95);
    expect(result.interval?.low).toBeGreaterThan(0.02);
    expect(result.adjusted_p).toBe(result.p);
    expect(result.reason).toContain("ours against base on accuracy: effect 0.051");
    expect(JSON.parse(JSON.stringify(decision))).toEqual(decision);
  });

  test("a significant difference that is too small is refuted when the interval lies below min_effect", () => {
    const result = only(decideOn(sst2(clearlyBetter), { min_effect: 0.1 }));
    expect(result).toMatchObject({ verdict: "refuted" });
    expect(result.p).toBeLessThan(0.05);
    expect(result.interval?.high).toBeLessThan(0.1);
  });

  test("a significant difference below min_effect whose interval reaches it is inconclusive", () => {
    const result = only(decideOn(sst2(clearlyBetter), { min_effect: 0.053 }));
    expect(result.interval?.high).toBeGreaterThan(0.053);
    expect(result).toMatchObject({
      verdict: "inconclusive",
      reason: expect.stringContaining("not clearly so") as string,
    });
  });

  test("a significant difference the wrong way is refuted", () => {
    expect(decideOn({ ours: { sst2: base }, base: { sst2: clearlyBetter } }).outcome).toBe("refuted");
  });

  test("where differences do not vary, the reason names the exact test that took the place of the t test [decision.rule]", () => {
    const shifted = (values: readonly number[], by: number): number[] => values.map((value) => value + by);
    const five = only(decideOn(sst2(shifted(base, 0.1))));
    expect(five).toMatchObject({ verdict: "inconclusive", method: "permutation", p: 0.0625, interval: null });
    expect(five.reason).toBe(
      "ours against base on accuracy: effect 0.1, adjusted p = 0.0625 by the exact sign-flip test, 5 pairs; not below alpha = 0.05, which takes at least 6 pairs where nothing varies.",
    );
    const longer = [...base, 0.8];
    const six = only(decideOn(sst2(shifted(longer, 0.1), longer)));
    expect(six).toMatchObject({ verdict: "supported", p: 0.03125, interval: { method: "permutation" } });
    expect(six.interval?.low).toBe(six.interval?.high);
    expect(six.reason).toMatch(/adjusted p = 0\.0313 by the exact sign-flip test, 6 pairs\.$/);
    const three = [0.8, 0.8, 0.8];
    const unpaired = only(decideOn(sst2(shifted(three, 0.1), three), { test: "welch" }));
    expect(unpaired).toMatchObject({ verdict: "inconclusive", method: "permutation", p: 0.1 });
    expect(unpaired.reason).toMatch(
      /by the exact permutation test, 3 and 3 values; .* at least 4 values of each arm where nothing varies\.$/,
    );
  });

  test("noise is inconclusive", () => {
    expect(decideOn(sst2([0.79, 0.83, 0.78, 0.83, 0.8])).outcome).toBe("inconclusive");
  });

  test("one refuted comparison refutes, one inconclusive one withholds support, none supports nothing", () => {
    const values = { ...sst2(clearlyBetter), third: { sst2: [0.9, 0.91, 0.92, 0.9, 0.93] }, same: { sst2: base } };
    const run = (...comparisons: Comparison[]) =>
      decide({ experiment: rule(comparisons), planned: plannedRuns(values), measurements: measured(values) }).outcome;
    expect(run(comparison(), comparison({ better: "third" }))).toBe("supported");
    expect(run(comparison(), comparison({ than: "third" }))).toBe("refuted");
    expect(run(comparison(), comparison({ than: "base", better: "same" }))).toBe("inconclusive");
    expect(run()).toBe("inconclusive");
  });

  test("an experiment without a rule, or with an unknown metric, is refused", () => {
    const input = { planned: [], measurements: [] };
    expect(() => decide({ ...input, experiment: experiment({ decision: null }) })).toThrow("no decision rule");
    expect(() => decide({ ...input, experiment: rule([comparison({ metric: "f1" })]) })).toThrow('"f1"');
  });

  test("rank tests and unpaired tests decide too, each with an interval", () => {
    const seeds = Array.from({ length: 8 }, (_, seed) => seed);
    const values = sst2(
      seeds.map((seed) => 0.9 + 0.003 * seed),
      seeds.map((seed) => 0.8 + 0.001 * ((seed * 5) % 8)),
    );
    const expected = { wilcoxon: "bootstrap", welch: "t", "mann-whitney": "bootstrap", "paired-t": "t" } as const;
    for (const [name, method] of Object.entries(expected)) {
      const result = only(decideOn(values, { test: name as Comparison["test"] }));
      expect(result).toMatchObject({ verdict: "supported", interval: { method } });
      expect(result.interval?.low).toBeLessThan(result.effect ?? Number.NaN);
      expect(result.interval?.high).toBeGreaterThan(result.effect ?? Number.NaN);
    }
  });

  test("ranks and means that point in opposite directions decide nothing", () => {
    const ours = [...Array.from({ length: 11 }, (_, seed) => 0.81 + 0.001 * seed), 0.01];
    const than = [...Array.from({ length: 11 }, () => 0.8), 0.9];
    const result = only(decideOn(sst2(ours, than), { test: "wilcoxon" }));
    expect(result.p).toBeLessThan(0.05);
    expect(result.effect).toBeLessThan(0);
    expect(result).toMatchObject({
      verdict: "inconclusive",
      reason: expect.stringContaining("opposite directions") as string,
    });
  });
});

const runWith = (arm: string, lr: number, seed: number) => ({ arm, task: "sst2", grid: { lr }, seed });

describe("pairs are matched by task, grid and seed [F52]", () => {
  test("the position of measurements changes nothing", () => {
    const values = {
      ours: { sst2: clearlyBetter, mnli: [0.6, 0.62, 0.65, 0.61, 0.66] },
      base: { sst2: base, mnli: [0.55, 0.6, 0.6, 0.58, 0.6] },
    };
    for (const name of ["paired-t", "wilcoxon", "welch", "mann-whitney"] as const) {
      const input = { experiment: rule([comparison({ test: name })]), planned: plannedRuns(values) };
      const expected = decide({ ...input, measurements: measured(values) });
      fc.assert(
        fc.property(fc.shuffledSubarray(measured(values), { minLength: 20 }), (measurements) => {
          expect(decide({ ...input, measurements })).toEqual(expected);
        }),
        { numRuns: 10 },
      );
    }
  });

  test("the same seed under another grid value is no partner", () => {
    const planned = [0, 1, 2].flatMap((seed) => [runWith("ours", 0.1, seed), runWith("base", 0.2, seed)]);
    const measurements = planned.map((one, index) => ({
      ...one,
      run_id: `r${index}`,
      metric: "accuracy",
      value: index,
    }));
    expect(only(decide({ experiment: rule([comparison()]), planned, measurements }))).toMatchObject({
      n_pairs: 0,
      effect: null,
      verdict: "inconclusive",
    });
  });

  test("a planned value that is missing withholds any verdict and is named, with its partner", () => {
    const result = only(decideOn(sst2([...clearlyBetter.slice(0, 4), undefined])));
    expect(result).toMatchObject({
      n_pairs: 4,
      verdict: "inconclusive",
      reason: expect.stringContaining("missing") as string,
    });
    expect(result.missing).toEqual([
      { arm: "base", task: "sst2", grid: {}, seed: 4, missing: "partner" },
      { arm: "ours", task: "sst2", grid: {}, seed: 4, missing: "value" },
    ]);
  });

  test("two values for one planned run are not chosen from", () => {
    const values = sst2(clearlyBetter);
    const measurements = [...measured(values), { ...measured(values)[0], run_id: "again", value: 0.99 }];
    const result = only(
      decide({
        experiment: rule([comparison()]),
        planned: plannedRuns(values),
        measurements: measurements as ReturnType<typeof measured>,
      }),
    );
    expect(result).toMatchObject({
      p: null,
      verdict: "inconclusive",
      reason: expect.stringContaining("2 values") as string,
    });
  });
});

describe("direction and what counts [F53]", () => {
  const lower = { metric: "loss" };

  test("for a metric to be minimised the lower arm is better, and effects stay positive for the better one", () => {
    const result = only(decideOn({ ours: { sst2: base }, base: { sst2: clearlyBetter } }, lower));
    expect(result).toMatchObject({ verdict: "supported", goal: "minimize", unit: "nats" });
    expect(result.effect).toBeGreaterThan(0);
    expect(result.mean_better).toBeLessThan(result.mean_than ?? Number.NaN);
    expect(decideOn(sst2(clearlyBetter), lower).outcome).toBe("refuted");
  });

  test("runs that are not planned, as those of a pilot, do not count", () => {
    const values = sst2(clearlyBetter);
    const planned = plannedRuns(values);
    const pilot = [100, 101, 102].flatMap((seed) =>
      ["ours", "base"].map((arm) => ({
        arm,
        task: "sst2",
        grid: {},
        seed,
        metric: "accuracy",
        run_id: `pilot-${arm}-${seed}`,
        value: arm === "ours" ? 0.1 : 0.9,
      })),
    );
    const decision = decide({
      experiment: rule([comparison()]),
      planned,
      measurements: [...measured(values), ...pilot],
    });
    expect(decision).toEqual(decideOn(values));
  });

  test("swapping the arms turns effect and interval and keeps p", () => {
    const values = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(
        values,
        values,
        fc.constantFrom("paired-t" as const, "wilcoxon" as const, "welch" as const),
        (a, b, name) => {
          const forth = only(decideOn(sst2(a, b), { test: name }));
          const back = only(decideOn(sst2(a, b), { test: name, better: "base", than: "ours" }));
          expect((forth.effect ?? 0) + (back.effect ?? 0)).toBeCloseTo(0, 9);
          expect((forth.cohen_d ?? 0) + (back.cohen_d ?? 0)).toBeCloseTo(0, 9);
          expect((forth.interval?.low ?? 0) + (back.interval?.high ?? 0)).toBeCloseTo(0, 6);
          expect(forth.p ?? -1).toBeCloseTo(back.p ?? -1, 9);
          expect([forth.verdict, back.verdict]).not.toEqual(["supported", "supported"]);
        },
      ),
      { numRuns: 40 },
    );
  });
});

const equalArms = (n: number) => only(decideOn(sst2(Array(n).fill(2), Array(n).fill(2)), { min_effect: 1 }));

describe("few or equal values never give a false p [statistics.few-pairs]", () => {
  test("two pairs are not testable, whatever the difference", () => {
    const result = only(decideOn(sst2([0.9, 0.92], [0.1, 0.11])));
    expect(result).toMatchObject({
      p: null,
      adjusted_p: null,
      interval: null,
      testable: false,
      verdict: "inconclusive",
    });
    expect(result.reason).toBe("Not testable: 2 pairs, at least 3 are needed.");
    expect(result.effect).toBeCloseTo(0.805, 12);
  });

  test("equal differences over five seeds are inconclusive, over six they decide", () => {
    const five = only(decideOn(sst2([5, 5, 5, 5, 5], [2, 2, 2, 2, 2])));
    expect(five).toMatchObject({ p: 0.0625, interval: null, cohen_dz: null, verdict: "inconclusive" });
    const six = only(decideOn(sst2([5, 5, 5, 5, 5, 5], [2, 2, 2, 2, 2, 2])));
    expect(six).toMatchObject({ p: 0.03125, interval: { low: 3, high: 3 }, verdict: "supported" });
  });

  test("arms without any difference refute an effect only when there are seeds enough to say so", () => {
    expect(equalArms(5)).toMatchObject({ p: 1, verdict: "inconclusive" });
    expect(equalArms(6)).toMatchObject({ p: 1, verdict: "refuted" });
  });
});

describe("p values are adjusted for all comparisons [F56]", () => {
  const values: Values = {
    ...sst2([0.81, 0.83, 0.8, 0.825, 0.815]),
    a: { sst2: [0.8, 0.82, 0.78, 0.83, 0.79] },
    b: { sst2: [0.79, 0.82, 0.79, 0.81, 0.8] },
    broken: { sst2: [undefined, undefined, undefined, undefined, undefined] },
  };
  const many = [comparison({ alpha: 0.01 }), ...["a", "b"].map((better) => comparison({ better, alpha: 0.01 }))];
  const run = (comparisons: Comparison[], correction: DecisionRule["correction"] = "bonferroni") =>
    decide({ experiment: rule(comparisons, correction), planned: plannedRuns(values), measurements: measured(values) });

  test("what is significant alone may not be among many", () => {
    const alone = run(many.slice(0, 1)).comparisons[0];
    const among = run(many).comparisons[0];
    expect(alone?.verdict).toBe("supported");
    expect(among).toMatchObject({ p: alone?.p, adjusted_p: 3 * (alone?.p ?? Number.NaN), verdict: "inconclusive" });
    expect(run(many, "none").comparisons[0]?.verdict).toBe("supported");
  });

  test("a comparison that cannot be tested still counts as one made", () => {
    const decision = run([...many, comparison({ better: "broken" })]);
    expect(decision.comparisons[3]).toMatchObject({ p: null, adjusted_p: null, mean_better: null });
    expect(decision.comparisons[0]?.adjusted_p).toBeCloseTo(4 * (decision.comparisons[0]?.p ?? Number.NaN), 12);
  });

  test("refuting by min_effect is corrected as well", () => {
    const small = ["ours", "a", "b"].map((better) => comparison({ better, alpha: 0.01, min_effect: 0.025 }));
    expect(run(small.slice(0, 1)).comparisons[0]?.verdict).toBe("refuted");
    expect(run(small).comparisons[0]?.min_effect_adjusted_p).toBeGreaterThan(0.01);
    expect(run(small).comparisons[0]?.verdict).toBe("inconclusive");
  });
});

describe("a changed rule is another rule, and the decision says so [F54]", () => {
  const values = sst2(clearlyBetter);
  const input = { planned: plannedRuns(values), measurements: measured(values) };
  const registered = ruleHash(rule([comparison({ min_effect: 0.06 })]));

  test("the registered rule is recognised", () => {
    const decision = decide({
      ...input,
      experiment: rule([comparison({ min_effect: 0.06 })]),
      registered_rule_hash: registered,
    });
    expect(decision).toMatchObject({ rule_changed: false, rule_hash: registered });
  });

  test("an edited threshold, correction or goal is not", () => {
    const edited = [
      rule([comparison({ min_effect: 0.01 })]),
      rule([comparison({ min_effect: 0.06 })], "none"),
      {
        ...rule([comparison({ min_effect: 0.06 })]),
        metrics: { accuracy: { goal: "minimize" as const, range: [0, 1] as [number, number], unit: null } },
      },
    ];
    for (const one of edited) {
      const decision = decide({ ...input, experiment: one, registered_rule_hash: registered });
      expect(decision).toMatchObject({
        rule_changed: true,
        reason: expect.stringContaining("not the one that was registered") as string,
      });
    }
  });
});
