import fc from "fast-check";
import { expect, test } from "vitest";
import { plannedRuns } from "./design.ts";
import type { Arm, Experiment, Need } from "./experiment.ts";
import { armsInOrder, identifyRuns, Offer, type IdentifiedRun } from "./needs.ts";

const need = (arm: string, changes: Partial<Need> = {}): Need => {
  return { experiment: null, arm, folder: arm, task: null, seed: null, parameters: {}, ...changes };
};
const armWith = (needs: Need[]): Arm => ({ role: "other", parameters: {}, needs, metrics: null, artifacts: null });

type Design = Pick<Experiment, "arms" | "tasks" | "parameters" | "seeds" | "stages" | "needs">;

const stage = { name: "full", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } };

/** Arms a, b, c, ... in any order, each of which needs some that stand before it in the alphabet. */
const designs: fc.Arbitrary<Design> = fc
  .tuple(
    fc.shuffledSubarray(["a", "b", "c", "d", "e"], { minLength: 5 }),
    fc.array(fc.subarray(["a", "b", "c", "d"]), { minLength: 5, maxLength: 5 }),
    fc.subarray(["t", "u"], { minLength: 1 }),
    fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1, maxLength: 3 }),
    fc.subarray([0.1, 0.2]),
  )
  .map(([order, subsets, tasks, seeds, rates]): Design => ({
    arms: Object.fromEntries(
      order.map((arm, index) => [
        arm,
        armWith((subsets[index] ?? []).filter((one) => one < arm).map((one) => need(one))),
      ]),
    ),
    tasks: Object.fromEntries(tasks.map((task) => [task, { parameters: {} }])),
    parameters: rates.length === 0 ? {} : { lr: { values: rates } },
    seeds,
    stages: [stage],
    needs: [],
  }));

const keyOf = (run: { cell: unknown; seed: number }, needs: Record<string, string>): string =>
  JSON.stringify([run.cell, run.seed, needs]);

const identify = (design: Design, others = new Map<string, Offer>()) =>
  identifyRuns(design, plannedRuns(design), others, keyOf);

test("arms come after those that they need [needs.order]", () => {
  fc.assert(
    fc.property(designs, (design) => {
      const order = armsInOrder(design);
      expect(order.toSorted()).toEqual(Object.keys(design.arms).toSorted());
      for (const [arm, { needs }] of Object.entries(design.arms)) {
        for (const { arm: needed } of needs) expect(order.indexOf(needed ?? "")).toBeLessThan(order.indexOf(arm));
      }
    }),
  );
});

test("a run needs the runs of its own task, seed and grid values, and its key covers theirs [needs.order] [F06]", () => {
  fc.assert(
    fc.property(designs, (design) => {
      const { runs, problems } = identify(design);
      expect(problems).toEqual([]);
      expect(runs).toHaveLength(plannedRuns(design).length);
      const byKey = new Map(runs.map((run) => [run.key, run]));
      for (const run of runs) {
        expect(Object.keys(run.needs)).toEqual(design.arms[run.cell.arm]?.needs.map(({ folder }) => folder));
        for (const [folder, key] of Object.entries(run.needs)) {
          const needed = byKey.get(key) as IdentifiedRun;
          expect(needed.cell).toMatchObject({ arm: folder, task: run.cell.task, grid: run.cell.grid });
          expect(needed.seed).toBe(run.seed);
        }
      }
    }),
  );
});

const design = (changes: Partial<Design>): Design => ({
  arms: { a: armWith([]), b: armWith([need("a")]) },
  tasks: { t: { parameters: {} } },
  parameters: {},
  seeds: [0, 1],
  stages: [stage],
  needs: [],
  ...changes,
});

test("a need may name a task, a seed and values of the grid that are the same for all runs [needs.file]", () => {
  const fixed = need("a", { task: "u", seed: 1, parameters: { lr: 0.1 } });
  const { runs, problems } = identify(
    design({
      arms: { a: armWith([]), b: armWith([fixed]) },
      tasks: { t: { parameters: {} }, u: { parameters: {} } },
      parameters: { lr: { values: [0.1, 0.2] } },
    }),
  );
  expect(problems).toEqual([]);
  const needed = new Set(runs.filter(({ cell }) => cell.arm === "b").map(({ needs }) => needs["a"]));
  expect([...needed]).toEqual([
    runs.find((run) => run.cell.arm === "a" && run.cell.task === "u" && run.seed === 1)?.key,
  ]);
});

test("a run cannot need one that only a later stage asks for [needs.file]", () => {
  const stages = [
    { ...stage, name: "pilot", arms: ["b"] },
    { ...stage, name: "full" },
  ];
  expect(identify(design({ stages })).problems).toEqual([
    {
      path: ["arms", "b", "needs", 0],
      problem: expect.stringContaining("`b` runs from the stage `pilot` on, but `a`") as string,
    },
  ]);
});

test("one run for all values of a grid that only the needing experiment has is found; the other way it must be named [needs.others]", () => {
  const place = { arm: "big", task: "t", seed: 0, first_stage: 0 };
  const other = (grids: Record<string, number>[]) =>
    new Map([
      [
        "pre",
        new Offer(
          "pre@1",
          grids.map((grid, index) => ({ ...place, grid, key: `k${index}` })),
        ),
      ],
    ]);
  const wanting = (parameters: Need["parameters"]) =>
    design({
      seeds: [0],
      arms: { a: armWith([need("big", { experiment: "pre", parameters })]) },
      parameters: { lr: { values: [1, 2] } },
    });
  expect(identify(wanting({}), other([{}])).runs.map(({ needs }) => needs["big"])).toEqual(["k0", "k0"]);
  const two = other([{ width: 1 }, { width: 2 }]);
  expect(identify(wanting({}), two).problems[0]?.problem).toMatch(/several values of width; say which one is needed/);
  expect(identify(wanting({ width: 2 }), two).runs.map(({ needs }) => needs["big"])).toEqual(["k1", "k1"]);
});
