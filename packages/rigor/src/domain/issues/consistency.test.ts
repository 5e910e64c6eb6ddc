import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseExperiment } from "../files/parse-experiment.ts";
import type { Experiment } from "../experiment.ts";
import { designDifferences, unjustified } from "./consistency.ts";

const base = {
  name: "tiny",
  metrics: { loss: { goal: "minimize" } },
  arms: { small: { role: "baseline", parameters: { step: 0.01 } }, large: { role: "ours", parameters: { step: 0.1 } } },
  tasks: { parabola: {}, valley: {} },
  parameters: { width: { values: [8] }, noise: { values: [0.1] } },
  seeds: [0, 1, 2],
  run: "node train.mjs",
  decision: { comparisons: [{ better: "large", than: "small", metric: "loss" }] },
};

/** One variable of the design each, and whether results can be compared all the same. */
const variables = {
  "arms.large": { comparable: true, change: (design: typeof base) => (design.arms.large.parameters.step = 0.2) },
  "tasks.valley": {
    comparable: false,
    change: (design: typeof base) => delete (design.tasks as { valley?: object }).valley,
  },
  "parameters.width": { comparable: true, change: (design: typeof base) => (design.parameters.width.values = [16]) },
  "parameters.noise": { comparable: true, change: (design: typeof base) => (design.parameters.noise.values = [0.2]) },
  "metrics.loss": { comparable: false, change: (design: typeof base) => (design.metrics.loss.goal = "maximize") },
  run: { comparable: true, change: (design: typeof base) => (design.run = "node other.mjs") },
  seeds: { comparable: false, change: (design: typeof base) => (design.seeds = [7, 8, 9]) },
} as const;
type Variable = keyof typeof variables;
const names = Object.keys(variables) as Variable[];

const read = (design: object): Experiment =>
  parseExperiment(JSON.stringify(design), { file: "tiny.yaml", compute: ["local"] });

function changed(which: readonly Variable[]): Experiment {
  const design = structuredClone(base);
  for (const name of which) variables[name].change(design);
  return read(design);
}

const told = (which: readonly Variable[]) =>
  which.map((variable) => ({ variable, from: "one", to: "another", why: "It is what is asked." }));

describe("what differs between a plan and its parent [check.consistency]", () => {
  const some = fc.subarray(names);

  test("is exactly what was changed, in both directions", () => {
    fc.assert(
      fc.property(some, (which) => {
        const found = designDifferences(read(base), changed(which));
        expect(found.map(({ variable }) => variable).toSorted()).toEqual(which.toSorted());
        expect(designDifferences(changed(which), read(base)).map(({ variable }) => variable)).toEqual(
          found.map(({ variable }) => variable),
        );
        for (const one of found) expect(one.comparable).toBe(variables[one.variable as Variable].comparable);
      }),
    );
  });

  test("must be justified beyond one variable, and always where results cannot be compared", () => {
    fc.assert(
      fc.property(some, some, (which, explained) => {
        const silent = which.filter((name) => !explained.includes(name));
        const isFree = which.length === 1 && silent.every((name) => variables[name].comparable);
        const findings = unjustified(designDifferences(read(base), changed(which)), told(explained));
        expect(findings).toHaveLength(isFree ? 0 : silent.length);
        for (const name of isFree ? [] : silent)
          expect(findings.some((one) => one.startsWith(`${name} differs`))).toBe(true);
      }),
    );
  });

  test("a parameter that differs in the same way in all arms is one variable, and in one arm that arm", () => {
    const arms = (small: object, large: object) => ({
      small: { role: "baseline", parameters: { step: 0.01, steps: 50, ...small } },
      large: { role: "ours", parameters: { step: 0.1, steps: 50, ...large } },
    });
    const variablesOf = (small: object, large: object) =>
      designDifferences(read({ ...base, arms: arms({}, {}) }), read({ ...base, arms: arms(small, large) })).map(
        ({ variable }) => variable,
      );
    expect(variablesOf({ steps: 60 }, { steps: 60 })).toEqual(["arms.*.parameters.steps"]);
    expect(variablesOf({ steps: 60 }, { steps: 70 })).toEqual(["arms.small", "arms.large"]);
    expect(variablesOf({ steps: 60 }, { steps: 60, step: 0.2 })).toEqual(["arms.*.parameters.steps", "arms.large"]);
    expect(variablesOf({}, { steps: 60 })).toEqual(["arms.large"]);
  });

  test("more of the same seeds is no other variable that cannot be compared", () => {
    const more = designDifferences(read(base), read({ ...base, seeds: [0, 1, 2, 3, 4] }));
    expect(more).toMatchObject([{ variable: "seeds", comparable: true }]);
    expect(unjustified(more, [])).toEqual([]);
  });
});
