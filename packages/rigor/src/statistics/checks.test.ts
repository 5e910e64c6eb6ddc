import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkRun, type RunToCheck } from "./checks.ts";
import { experiment, type TestedExperiment } from "./statistics.testing.ts";

const good = { accuracy: 0.9, loss: 0.3 };

function check(
  metrics: Record<string, unknown>,
  changes: Partial<TestedExperiment> = {},
  artifacts: RunToCheck["artifacts"] = [],
) {
  return checkRun({ experiment: experiment(changes), arm: "ours", metrics, artifacts });
}

const rules = (failures: { rule: string }[]) => failures.map(({ rule }) => rule);

describe("every run is checked by itself [checks.run]", () => {
  test("a complete run has no failure; metrics that are not declared are left alone", () => {
    expect(check({ ...good, extra: Number.NaN })).toEqual([]);
  });

  test("a missing metric is named, with what was reported [F12]", () => {
    expect(check({ loss: 0.3 })).toEqual([
      {
        rule: "metrics-present",
        message: "The run did not report accuracy. It reported loss.",
        values: { reported: ["loss"] },
      },
    ]);
  });

  test("a property that every object has is not a metric", () => {
    const metrics = { toString: { goal: "maximize" as const, range: [null, null] as [null, null], unit: null } };
    expect(rules(check({}, { metrics }))).toEqual(["metrics-present"]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, "0.9", true, [0.9]])(
    "%s is not a finite number, and the failure is fit for JSON [F12]",
    (value) => {
      const failures = check({ ...good, accuracy: value });
      expect(rules(failures)).toEqual(["metrics-finite"]);
      expect(JSON.parse(JSON.stringify(failures))).toEqual(failures);
    },
  );

  test("null points to NaN", () => {
    expect(check({ ...good, accuracy: null })[0]?.message).toContain("NaN as null");
  });

  test("a range is closed: its ends are in, anything beyond is out", () => {
    const metrics = { accuracy: { goal: "maximize" as const, range: [0.1, 1] as [number, number], unit: null } };
    fc.assert(
      fc.property(fc.double({ min: -2, max: 3, noNaN: true }), (accuracy) => {
        const inside = accuracy >= 0.1 && accuracy <= 1;
        expect(rules(check({ accuracy }, { metrics }))).toEqual(inside ? [] : ["metrics-in-range"]);
      }),
    );
    expect(check({ accuracy: 0.1 }, { metrics })).toEqual([]);
    expect(check({ accuracy: 1 }, { metrics })).toEqual([]);
    expect(check({ accuracy: 93.3 }, { metrics })[0]).toMatchObject({ values: { accuracy: 93.3, range: [0.1, 1] } });
  });

  test("an exact zero at the end of a range, or without one, is refused unless allowed [F12]", () => {
    const zero = (range: [number | null, number | null], zero_allowed: string[] = []) =>
      rules(
        check(
          { score: 0 },
          {
            metrics: { score: { goal: "maximize", range, unit: null } },
            checks: { chance: {}, same_inputs: true, zero_allowed, constant_allowed: [] },
          },
        ),
      );
    expect(zero([0, 1])).toEqual(["metrics-not-zero"]);
    expect(zero([-1, 0])).toEqual(["metrics-not-zero"]);
    expect(zero([null, null])).toEqual(["metrics-not-zero"]);
    expect(zero([-1, 1])).toEqual([]);
    expect(zero([null, 1])).toEqual([]);
    expect(zero([0, 1], ["score"])).toEqual([]);
    expect(rules(check({ ...good, loss: -0 }))).toEqual(["metrics-not-zero"]);
  });

  test("declared artifacts exist and have content; a directory needs one file that has", () => {
    const outputs = { result: "result.json", artifacts: ["model.bin", "./figures/"] };
    const run = (...artifacts: RunToCheck["artifacts"]) => check(good, { outputs }, artifacts);
    expect(run({ path: "model.bin", size: 10 }, { path: "figures/a.svg", size: 5 })).toEqual([]);
    expect(run().map(({ message }) => message)).toEqual([
      "The artifact model.bin is missing.",
      "The artifact ./figures/ is missing.",
    ]);
    expect(run({ path: "model.bin", size: 0 }, { path: "figures/a.svg", size: 5 })).toMatchObject([
      { rule: "artifacts-present", message: "The artifact model.bin is empty." },
    ]);
    expect(run({ path: "model.bin.part", size: 9 }, { path: "figures/a.svg", size: 5 })).toHaveLength(1);
  });
});

test("an arm is judged by the metrics that it reports and the artifacts that it writes [needs.arms]", () => {
  const arm = { role: "other" as const, parameters: {}, needs: [], metrics: ["loss"], artifacts: ["model.bin"] };
  const some = experiment({ arms: { some: arm } });
  const judge = (metrics: Record<string, number>, artifacts: RunToCheck["artifacts"]) =>
    rules(checkRun({ experiment: some, arm: "some", metrics, artifacts }));
  expect(judge({ loss: 0.3 }, [{ path: "model.bin", size: 1 }])).toEqual([]);
  expect(judge({ accuracy: 0.9 }, [])).toEqual(["metrics-present", "artifacts-present"]);
});
