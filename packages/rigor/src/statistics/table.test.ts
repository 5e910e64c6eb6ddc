import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resultTable } from "./table.ts";
import { experiment, measured, plannedRuns, type Values } from "./statistics.testing.ts";

const values: Values = {
  base: { sst2: [0.8, 0.81, 0.79, 0.82, 0.8], mnli: [0.6, 0.62, 0.6] },
  ours: { sst2: [0.9, 0.92, 0.89, 0.93, 0.9], mnli: [0.61, 0.59, 0.61] },
  late: { sst2: [undefined], mnli: [0.3] },
};

function table(metric = "accuracy", of = values) {
  return resultTable({
    experiment: experiment({ tasks: { sst2: { parameters: {} }, mnli: { parameters: {} } } }),
    metric,
    planned: plannedRuns(of),
    measurements: measured(of, metric),
  });
}

const cell = (result: ReturnType<typeof table>, arm: string, task: string) =>
  result.rows.find((row) => row.arm === arm)?.cells.find((one) => one.task === task);

describe("result table", () => {
  test("rows are arms, columns tasks, in declared order; a cell without values is empty", () => {
    const result = table();
    expect(result.columns).toEqual(["sst2", "mnli"]);
    expect(result.rows.map(({ arm, role }) => [arm, role])).toEqual([
      ["base", "baseline"],
      ["ours", "ours"],
      ["late", null],
    ]);
    expect(cell(result, "late", "sst2")).toMatchObject({
      n: 0,
      mean: null,
      low: null,
      best: false,
      tied_with_best: false,
    });
    expect(cell(result, "base", "sst2")).toMatchObject({ n: 5, mean: expect.closeTo(0.804, 12) as number });
    expect(cell(result, "base", "sst2")?.values[1]).toEqual({ seed: 1, value: 0.81, run_id: "base-sst2-1" });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  test("the best of a column follows the metric's goal [F53]", () => {
    expect(cell(table("accuracy"), "ours", "sst2")?.best).toBe(true);
    expect(cell(table("loss"), "base", "sst2")?.best).toBe(true);
    expect(cell(table("loss"), "ours", "sst2")?.best).toBe(false);
  });

  test("what noise cannot tell from the best is marked as tied, a clear difference is not", () => {
    const result = table();
    expect(cell(result, "base", "sst2")?.tied_with_best).toBe(false);
    expect(cell(result, "base", "mnli")).toMatchObject({ best: true, tied_with_best: false });
    expect(cell(result, "ours", "mnli")).toMatchObject({ best: false, tied_with_best: true });
  });

  test("a single value cannot be told from the best; constant values that differ can", () => {
    expect(cell(table(), "late", "mnli")?.tied_with_best).toBe(true);
    const constant = table("accuracy", { base: { sst2: [2, 2, 2] }, ours: { sst2: [5, 5, 5] } });
    expect(cell(constant, "base", "sst2")?.tied_with_best).toBe(false);
  });

  test("the order of measurements changes nothing", () => {
    const expected = table();
    const all = measured(values);
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (measurements) => {
        const planned = plannedRuns(values);
        const tasks = { sst2: { parameters: {} }, mnli: { parameters: {} } };
        expect(resultTable({ experiment: experiment({ tasks }), metric: "accuracy", planned, measurements })).toEqual(
          expected,
        );
      }),
    );
  });

  test("a further grid makes further rows", () => {
    const planned = [0.1, 0.2].flatMap((lr) =>
      [0, 1].map((seed) => ({ arm: "ours", task: "sst2", grid: { lr }, seed })),
    );
    const measurements = planned.map((one, index) => ({
      ...one,
      run_id: `r${index}`,
      metric: "accuracy",
      value: index,
    }));
    const result = resultTable({ experiment: experiment(), metric: "accuracy", planned, measurements });
    expect(result.rows.map(({ grid, cells }) => [grid, cells[0]?.mean])).toEqual([
      [{ lr: 0.1 }, 0.5],
      [{ lr: 0.2 }, 2.5],
    ]);
  });

  test("an unknown metric is refused with those there are", () => {
    expect(() => table("f1")).toThrow('no metric "f1"');
  });
});
