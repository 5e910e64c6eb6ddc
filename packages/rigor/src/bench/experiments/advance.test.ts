import { expect, test } from "vitest";
import { compareWithLog } from "../../store/rebuild.ts";
import * as actions from "./actions.ts";
import { advanceExperiment } from "./advance.ts";
import type { ExperimentDecision } from "./decide.ts";
import { presentResults } from "../../api/present/results.ts";
import { placedRuns } from "../records/placed-runs.ts";
import { rule, TestBench } from "../bench.testing.ts";

const pilot = [
  { name: "pilot", seeds: [1] },
  { name: "full", seeds: [2, 3, 4] },
];

/** Better by about three; no two values are equal. */
const apart = (run: { arm: string; seed: number }): number =>
  (run.arm === "a" ? 4.125 : 1) + run.seed * 1.0137 + (run.arm === "a" ? 0.01 * run.seed ** 2 : 0);

const decisionOf = async (bench: TestBench, id: string) =>
  (await bench.experiment(id)).decision as unknown as ExperimentDecision;

test("runs of a pilot alone do not count in the decision [F53] [stages.order]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ seeds: [1, 2, 3, 4], stages: pilot, decision: rule });
  const inPilot = (await bench.runs(id)).filter((run) => run.seed === 1);
  // The pilot says the opposite, by far.
  for (const run of inPilot) await bench.finish(run, { loss: run.arm === "a" ? -1000.5 : 1000.25 });
  await advanceExperiment(bench.lab, id);
  expect(await bench.experiment(id)).toMatchObject({ state: "running", stage: 1 });
  await bench.finishAll(id, apart);
  await advanceExperiment(bench.lab, id);
  const [comparison] = (await decisionOf(bench, id)).comparisons;
  expect((await decisionOf(bench, id)).outcome).toBe("supported");
  expect(comparison).toMatchObject({ n_better: 3, n_than: 3, n_pairs: 3 });
  const pilotIds = new Set(inPilot.map((run) => run.id));
  expect(comparison?.run_ids.some((one) => pilotIds.has(one))).toBe(false);
});

test("a stage does not begin while one of its runs before is open, nor after one failed [stages.order]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ seeds: [1, 2, 3, 4], stages: pilot });
  const [first, second] = (await bench.runs(id)).filter((run) => run.seed === 1);
  if (first === undefined || second === undefined) throw new Error("no pilot");
  await bench.finish(first, { loss: 1.5 });
  await advanceExperiment(bench.lab, id);
  expect(await bench.experiment(id)).toMatchObject({ state: "running", stage: 0 });
  await bench.begin(second);
  await bench.append({ kind: "run.failed", entity: second.id, data: { reason: { code: "unknown", message: "no" } } });
  await advanceExperiment(bench.lab, id);
  expect(await bench.experiment(id)).toMatchObject({ state: "held", stage: 0, hold: { code: "runs-failed" } });
  expect((await bench.experiment(id)).hold?.reason).toMatch(/^1 run has .*; the first: unknown: no$/);
});

test("a failed check over several runs makes them invalid, names rule and values, and holds [checks.invalid] [F50] [F51]", async () => {
  const bench = await TestBench.open();
  const checks = { chance: { loss: 0.5 }, same_inputs: true };
  const { experiment_id: id } = await bench.start({ checks, decision: rule });
  for (const run of await bench.runs(id)) await bench.finish(run, { loss: apart(run) }, run.arm);
  await advanceExperiment(bench.lab, id);
  const held = await bench.experiment(id);
  expect(held).toMatchObject({ state: "held", decision: null, hold: { code: "checks-failed" } });
  expect(held.hold?.reason).toMatch(/above-chance: .*0\.5/);
  expect(held.hold?.reason).toMatch(/same-inputs: /);
  const runs = await bench.runs(id);
  expect(runs.every((run) => run.state === "invalid")).toBe(true);
  expect(new Set(runs.map((run) => run.reason?.code))).toEqual(new Set(["above-chance", "same-inputs"]));
  const shown = await presentResults(bench.lab, held, await placedRuns(bench.db, id));
  expect(shown.check_failures.map((failure) => failure.rule).toSorted()).toEqual(["above-chance", "same-inputs"]);
  expect(JSON.stringify(shown.check_failures)).toContain('"chance":0.5');
});

test("after a rerun that mends them, no failed check is told of any more [checks.invalid]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ checks: { same_inputs: true } });
  for (const run of await bench.runs(id)) await bench.finish(run, { loss: apart(run) }, run.arm);
  await advanceExperiment(bench.lab, id);
  await actions.rerunFailed(bench.lab, "person:test", "small");
  for (const run of await bench.runs(id)) await bench.finish(run, { loss: apart(run) }, "same");
  await advanceExperiment(bench.lab, id);
  const decided = await bench.experiment(id);
  expect(decided.state).toBe("decided");
  const shown = await presentResults(bench.lab, decided, await placedRuns(bench.db, id));
  expect(shown.check_failures).toEqual([]);
});

test("deciding without failed runs says so, and the rest is still checked [checks.invalid] [F51] [F52]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({
    seeds: [1, 2, 3, 4, 5],
    checks: { chance: { loss: 0.5 } },
    decision: rule,
  });
  const [lost, ...others] = await bench.runs(id);
  if (lost === undefined) throw new Error("no run");
  for (const run of others) await bench.finish(run, { loss: apart(run) });
  await bench.begin(lost);
  await bench.append({ kind: "run.failed", entity: lost.id, data: { reason: { code: "unknown", message: "no" } } });
  await advanceExperiment(bench.lab, id);
  expect((await bench.experiment(id)).hold?.code).toBe("runs-failed");
  await actions.releaseExperiment(bench.lab, "person:test", "small", { message: "go", without_failed: true });
  await advanceExperiment(bench.lab, id);
  // The baseline is no better than chance, whatever was left out.
  expect(await bench.experiment(id)).toMatchObject({ state: "held", hold: { code: "checks-failed" } });
  await actions.releaseExperiment(bench.lab, "person:test", "small", { message: "go", without_failed: true });
  await advanceExperiment(bench.lab, id);
  const decision = await decisionOf(bench, id);
  expect(decision.outcome).toBe("inconclusive");
  expect(decision.notes.join()).toMatch(/Decided without 10 .*planned runs/);
});

test("a decision is made in one piece: the log gives the same tables", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ decision: rule });
  await bench.finishAll(id, apart);
  await advanceExperiment(bench.lab, id);
  await advanceExperiment(bench.lab, id);
  const kinds = (await bench.lab.store.eventsAfter(0, 1_000)).map((event) => event.kind);
  expect(kinds.filter((kind) => kind === "experiment.decided")).toHaveLength(1);
  expect(await compareWithLog(bench.lab.store)).toEqual([]);
});
