import fc from "fast-check";
import { expect, test } from "vitest";
import { findExperiment, findRun, tryFindExperiment } from "./lookup.ts";
import { TestBench } from "../bench.testing.ts";

test("a name is the newest version, NAME@VERSION that one, and the beginning of an id the one that it begins", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ seeds: [1] });
  const second = await bench.start({ seeds: [1, 2] });
  expect((await findExperiment(bench.db, "small")).id).toBe(second.experiment_id);
  expect((await findExperiment(bench.db, "small@1")).id).toBe(first.experiment_id);
  expect((await findExperiment(bench.db, first.experiment_id.slice(0, 6))).version).toBe(1);
  expect((await findExperiment(bench.db, second.experiment_id)).version).toBe(2);
  await expect(findExperiment(bench.db, "small@3")).rejects.toMatchObject({ code: "not-found" });
  await expect(findExperiment(bench.db, "smal")).rejects.toMatchObject({
    code: "not-found",
    next: expect.stringContaining("small") as string,
  });
});

test("a run is found by at least four digits of its id; too few digits are refused when they fit several", async () => {
  const bench = await TestBench.open();
  const { experiment_id } = await bench.start();
  const [run] = await bench.runs(experiment_id);
  if (run === undefined) throw new Error("no run");
  for (const digits of [8, 16, 64]) expect((await findRun(bench.db, run.id.slice(0, digits))).id).toBe(run.id);
  for (const none of [run.id.slice(0, 3), `${run.id}0`, run.id.toUpperCase().replace(/\d/g, "A"), ""]) {
    await expect(findRun(bench.db, none)).rejects.toMatchObject({ code: "not-found" });
  }
  const placement = {
    experiment_id,
    position: 99,
    arm: "a",
    task: "t",
    grid: {},
    seed: 9,
    stages: [0],
    in_final_stage: true,
  };
  const twin = `${run.id.slice(0, 40)}${"0".repeat(24)}`;
  await bench.append({ kind: "run.created", entity: twin, data: { parameters: {}, needs: {}, placement } });
  await expect(findRun(bench.db, run.id.slice(0, 12))).rejects.toMatchObject({
    code: "ambiguous",
    next: "Give more digits.",
  });
  expect((await findRun(bench.db, twin)).id).toBe(twin);
});

test("no text finds what it does not name: wildcards of the database are letters like others", async () => {
  const bench = await TestBench.open();
  const { experiment_id } = await bench.start();
  const [run] = await bench.runs(experiment_id);
  const ids = [experiment_id, run?.id ?? ""];
  for (const wild of [
    "%",
    "____",
    "%%%%",
    "a%",
    "_".repeat(16),
    "_".repeat(64),
    "'; drop table runs; --",
    "small%",
    "smal_",
  ]) {
    await expect(findRun(bench.db, wild)).rejects.toMatchObject({ code: "not-found" });
    expect(await tryFindExperiment(bench.db, wild)).toBeUndefined();
  }
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f%_]{1,20}$/));
  await fc.assert(
    fc.asyncProperty(text, async (given) => {
      const found = await tryFindExperiment(bench.db, given);
      if (found !== undefined)
        expect(["small", "small@1"].includes(given) || ids.some((id) => id.startsWith(given))).toBe(true);
    }),
    { numRuns: 60 },
  );
});
