import { expect, test } from "vitest";
import * as actions from "./actions.ts";
import { advanceExperiment } from "./advance.ts";
import { rule, TestBench } from "../bench.testing.ts";
import type { ExperimentDecision } from "./decide.ts";

// Whether a result is valid is for each experiment to say, by its own checks.

/** Better by about three; no two values are equal. */
const apart = (run: { arm: string; seed: number }): number =>
  (run.arm === "a" ? 4.125 : 1) + run.seed * 1.0137 + (run.arm === "a" ? 0.01 * run.seed ** 2 : 0);

async function finished(bench: TestBench, definition: Record<string, unknown>): Promise<string> {
  const { experiment_id: id } = await bench.start(definition);
  await bench.finishAll(id, apart);
  await advanceExperiment(bench.lab, id);
  return id;
}

const states = async (bench: TestBench, id: string) => (await bench.runs(id)).map((run) => run.state);

test("runs that are shared are checked by the rules of the experiment that shares them [checks.run] [identity.shared]", async () => {
  const bench = await TestBench.open();
  const first = await finished(bench, { decision: rule });
  expect((await bench.experiment(first)).state).toBe("decided");
  const stricter = await bench.start({
    name: "stricter",
    decision: rule,
    metrics: { loss: { goal: "minimize", range: [0, 5] }, accuracy: { goal: "maximize" } },
    primary_metric: "loss",
  });
  await advanceExperiment(bench.lab, stricter.experiment_id);
  const held = await bench.experiment(stricter.experiment_id);
  expect(held).toMatchObject({ state: "held", hold: { code: "checks-failed" } });
  expect(held.hold?.reason).toContain("did not report accuracy");
  // The experiment that had them first keeps its results and its decision.
  expect(await bench.experiment(first)).toMatchObject({ state: "decided" });
  expect(new Set(await states(bench, first))).toEqual(new Set(["done"]));
});

test("a corrected range makes refused results count again, without running anything [checks.invalid]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: wrong } = await bench.start({ metrics: { loss: { goal: "minimize", range: [0, 1] } } });
  await bench.finishAll(wrong, apart);
  for (const run of await bench.runs(wrong)) {
    const reason = { code: "metrics-in-range", message: "outside 0 to 1" };
    await bench.append({ kind: "run.invalidated", entity: run.id, data: { reason } });
  }
  const { experiment_id: right } = await bench.start({ metrics: { loss: { goal: "minimize", range: [0, 100] } } });
  expect(new Set(await states(bench, right))).toEqual(new Set(["done"]));
  await advanceExperiment(bench.lab, right);
  expect((await bench.experiment(right)).state).toBe("decided");
});

test("a result that a person revoked stays revoked", async () => {
  const bench = await TestBench.open();
  const first = await finished(bench, {});
  const [run] = await bench.runs(first);
  if (run === undefined) throw new Error("no run");
  const reason = { code: "person", message: "wrong data" };
  await bench.append({ kind: "run.invalidated", entity: run.id, data: { reason } });
  const { experiment_id: second } = await bench.start({ seeds: [1, 2, 3, 4] });
  expect((await bench.runs(second)).find(({ id }) => id === run.id)?.state).toBe("invalid");
});

test("deciding without a failed run leaves its partner out too, and decides [F52]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ seeds: [1, 2, 3, 4, 5], decision: rule });
  const [lost, ...others] = await bench.runs(id);
  if (lost === undefined) throw new Error("no run");
  for (const run of others) await bench.finish(run, { loss: apart(run) });
  await bench.begin(lost);
  await bench.append({ kind: "run.failed", entity: lost.id, data: { reason: { code: "unknown", message: "no" } } });
  await advanceExperiment(bench.lab, id);
  await actions.releaseExperiment(bench.lab, "person:test", "small", { message: "go", without_failed: true });
  await advanceExperiment(bench.lab, id);
  const decision = (await bench.experiment(id)).decision as unknown as ExperimentDecision;
  expect(decision).toMatchObject({ outcome: "supported", comparisons: [{ n_pairs: 4 }] });
  expect(decision.notes.join()).toContain("Decided without 2 of the planned runs");
});

test("a newer version cancels what only the older one waits for, and leaves what runs already [state.no-orphans]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: old } = await bench.start({});
  const [running] = await bench.runs(old);
  if (running === undefined) throw new Error("no run");
  await bench.begin(running);
  bench.write({ "run.sh": "echo another\n" });
  await bench.start({});
  expect(await states(bench, old)).toEqual(["active", ...Array<string>(5).fill("cancelled")]);
  const { message } = await actions.cancelExperiment(bench.lab, "person:test", "small@1", "no");
  expect(message).toContain("1 open run");
  expect((await states(bench, old))[0]).toBe("cancelled");
});
