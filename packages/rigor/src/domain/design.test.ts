import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical.ts";
import { cells, countRuns, plannedRuns } from "./design.ts";
import type { Experiment, Stage } from "./experiment.ts";

type Design = Pick<Experiment, "arms" | "tasks" | "parameters" | "seeds" | "stages">;

const someOf = (names: readonly string[]) => fc.option(fc.subarray([...names], { minLength: 1 }));

/** Any small design: its stages take parts of its arms, tasks and seeds. */
const designs: fc.Arbitrary<Design> = fc
  .record({
    arms: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1 }),
    tasks: fc.uniqueArray(fc.constantFrom("s", "t", "u"), { minLength: 1 }),
    grid: fc.dictionary(fc.constantFrom("lr", "wd"), fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 3 })),
    seeds: fc.uniqueArray(fc.nat(), { minLength: 1, maxLength: 5 }),
  })
  .chain(({ arms, tasks, grid, seeds }) => {
    const stage: fc.Arbitrary<Stage> = fc.record({
      name: fc.string(),
      seeds: fc.option(fc.subarray(seeds, { minLength: 1 })),
      arms: someOf(arms),
      tasks: someOf(tasks),
      pass: fc.constant({ all_succeed: true, metrics: [] }),
    });
    return fc.array(stage, { minLength: 1, maxLength: 3 }).map((stages) => ({
      arms: Object.fromEntries(
        arms.map((arm) => [
          arm,
          { role: "other" as const, parameters: { arm_index: arm }, needs: [], metrics: null, artifacts: null },
        ]),
      ),
      tasks: Object.fromEntries(tasks.map((task) => [task, { parameters: { task_index: task } }])),
      parameters: Object.fromEntries(Object.entries(grid).map(([name, values]) => [name, { values }])),
      seeds,
      stages,
    }));
  });

test("arms x tasks x grid give each cell once, with the parameters of all three [design.grid]", () => {
  fc.assert(
    fc.property(designs, (design) => {
      const made = cells(design);
      const points = Object.values(design.parameters).reduce((product, { values }) => product * values.length, 1);
      expect(made).toHaveLength(Object.keys(design.arms).length * Object.keys(design.tasks).length * points);
      expect(new Set(made.map(canonicalJson)).size).toBe(made.length);
      for (const { arm, task, grid, parameters } of made) {
        expect(parameters).toEqual({ arm_index: arm, task_index: task, ...grid });
        for (const [name, value] of Object.entries(grid)) expect(design.parameters[name]?.values).toContain(value);
      }
    }),
  );
});

test("each cell with each seed that a stage asks for is planned once, with the stages that ask [design.grid]", () => {
  fc.assert(
    fc.property(designs, (design) => {
      const planned = new Map(plannedRuns(design).map((run) => [canonicalJson([run.cell, run.seed]), run.stages]));
      expect(planned.size).toBe(plannedRuns(design).length);
      for (const cell of cells(design)) {
        for (const seed of design.seeds) {
          const asking = design.stages.flatMap((stage, index) => {
            const asks =
              (stage.arms ?? [cell.arm]).includes(cell.arm) &&
              (stage.tasks ?? [cell.task]).includes(cell.task) &&
              (stage.seeds ?? [seed]).includes(seed);
            return asks ? [index] : [];
          });
          expect(planned.get(canonicalJson([cell, seed])) ?? []).toEqual(asking);
        }
      }
    }),
  );
});

test("runs are counted without making them [design.grid] [file.too-many-runs]", () => {
  fc.assert(
    fc.property(designs, (design) => {
      expect(countRuns(design)).toBe(plannedRuns(design).length);
    }),
  );
});

const everything: Stage = {
  name: "full",
  seeds: null,
  arms: null,
  tasks: null,
  pass: { all_succeed: true, metrics: [] },
};
const example: Design = {
  arms: {
    a: { role: "baseline", parameters: {}, needs: [], metrics: null, artifacts: null },
    b: { role: "ours", parameters: {}, needs: [], metrics: null, artifacts: null },
  },
  tasks: { t: { parameters: {} } },
  parameters: { lr: { values: [0.1, 0.2] } },
  seeds: [3, 1, 2],
  stages: [
    { ...everything, name: "pilot", seeds: [9, 1] },
    { ...everything, seeds: [1, 2, 3] },
  ],
};

test("the order is that of the file: arm, task, grid, seed", () => {
  expect(
    plannedRuns(example).map(({ cell, seed }) => `${cell.arm} ${JSON.stringify(cell.grid["lr"])} ${seed}`),
  ).toEqual(["a 0.1", "a 0.2", "b 0.1", "b 0.2"].flatMap((cell) => [`${cell} 3`, `${cell} 1`, `${cell} 2`]));
});

test("in the last stage all its arms have the same seeds, all of them [F52]", () => {
  fc.assert(
    fc.property(designs, (design) => {
      const last = design.stages.length - 1;
      const seedsOf = new Map<string, number[]>();
      for (const { cell, seed, stages } of plannedRuns(design)) {
        if (!stages.includes(last)) continue;
        const key = canonicalJson(cell);
        seedsOf.set(key, [...(seedsOf.get(key) ?? []), seed]);
      }
      const wanted = design.stages[last]?.seeds ?? design.seeds;
      for (const seeds of seedsOf.values()) expect(new Set(seeds)).toEqual(new Set(wanted));
    }),
  );
});

test("a run that only the pilot asks for does not belong to the last stage [F53]", () => {
  const design = { ...example, seeds: [1, 2, 9] };
  const runs = plannedRuns({
    ...design,
    stages: [
      { ...everything, seeds: [9] },
      { ...everything, seeds: [1, 2] },
    ],
  });
  expect(runs.filter(({ seed }) => seed === 9).map(({ stages }) => stages)).toEqual([[0], [0], [0], [0]]);
  expect(runs.filter(({ seed }) => seed !== 9).every(({ stages }) => stages.join() === "1")).toBe(true);
});

test("millions of arms, tasks and seeds are counted at once", () => {
  const arms = Object.fromEntries(
    Array.from({ length: 5000 }, (_, index) => [
      `a${index}`,
      { role: "other" as const, parameters: {}, needs: [], metrics: null, artifacts: null },
    ]),
  );
  const tasks = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`t${index}`, { parameters: {} }]));
  const seeds = Array.from({ length: 1000 }, (_, seed) => seed);
  const stages = [
    { ...everything, arms: ["a0"], seeds: [0, 1] },
    { ...everything, seeds: [1, 2] },
  ];
  expect(countRuns({ arms, tasks, parameters: {}, seeds, stages })).toBe(5000 * 3 + 4999 * 5000 * 2);
});
