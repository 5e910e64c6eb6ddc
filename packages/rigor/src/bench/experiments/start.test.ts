import { expect, test } from "vitest";
import { runGit } from "../../provenance/scratch-repository.testing.ts";
import { compareWithLog } from "../../store/rebuild.ts";
import { advanceExperiment } from "./advance.ts";
import * as actions from "./actions.ts";
import { isStale } from "./staleness.ts";
import { startExperiment } from "./start.ts";
import { rule, TestBench } from "../bench.testing.ts";

const states = async (bench: TestBench, id: string) => (await bench.runs(id)).map((run) => run.state);

test("the same plan on the same code is the same experiment, however the file is written [start.second-call]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start();
  const position = await bench.lab.store.lastPosition();
  const again = await bench.start({ question: null });
  expect(again).toMatchObject({ experiment_id: first.experiment_id, created: false });
  expect(again.message).toContain("small@1 is running already");
  expect(await bench.lab.store.lastPosition()).toBe(position);
});

test("a larger plan is a new version that shares what is done and supersedes the old one [identity.shared]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ seeds: [1, 2] });
  await bench.finishAll(first.experiment_id, (run) => run.seed);
  const second = await bench.start({ seeds: [1, 2, 3] });
  expect(second).toMatchObject({ created: true, message: "the plan changed since small@1" });
  expect((await bench.experiment(first.experiment_id)).state).toBe("archived");
  const runs = await bench.runs(second.experiment_id);
  expect(runs.map(({ seed, state }) => `${seed} ${state}`).toSorted()).toEqual([
    "1 done",
    "1 done",
    "2 done",
    "2 done",
    "3 pending",
    "3 pending",
  ]);
  expect(await compareWithLog(bench.lab.store)).toEqual([]);
});

test("a changed code path gives new runs; other files do not [identity.run-key] [identity.stale] [F06]", async () => {
  const bench = await TestBench.open();
  const { experiment_id } = await bench.start();
  await bench.finishAll(experiment_id, (run) => run.seed);
  bench.write({ "notes.md": "nothing that counts" });
  expect(await isStale(await bench.experiment(experiment_id))).toBe(false);
  bench.write({ "run.sh": "echo fixed\n" });
  expect(await isStale(await bench.experiment(experiment_id))).toBe(true);
  const rerun = await actions.rerunStale(bench.lab, "person:test", "small", "/bin");
  expect(rerun).toMatchObject({ experiment: "small@2" });
  expect(rerun.message).toContain("the code changed since small@1");
  const old = await states(bench, experiment_id);
  expect(old.every((state) => state === "done")).toBe(true);
  const present = await bench.db
    .selectFrom("experiments")
    .select("id")
    .where("version", "=", 2)
    .executeTakeFirstOrThrow();
  expect((await states(bench, present.id)).every((state) => state === "pending")).toBe(true);
});

test("code that is gone is stale", async () => {
  const bench = await TestBench.open();
  const { experiment_id } = await bench.start();
  runGit(bench.repository, "rm", "-q", "run.sh");
  expect(await isStale(await bench.experiment(experiment_id))).toBe(true);
});

test("runs that were cancelled are asked for again, by the same experiment and by a newer one", async () => {
  const bench = await TestBench.open();
  const first = await bench.start();
  await actions.cancelExperiment(bench.lab, "person:test", "small", "no");
  expect(await states(bench, first.experiment_id)).toEqual(Array(6).fill("cancelled"));
  const again = await bench.start();
  expect(again).toMatchObject({ experiment_id: first.experiment_id, created: false });
  expect(await states(bench, first.experiment_id)).toEqual(Array(6).fill("pending"));
  await actions.cancelExperiment(bench.lab, "person:test", "small", "no");
  const larger = await bench.start({ seeds: [1, 2, 3, 4] });
  expect(await states(bench, larger.experiment_id)).toEqual(Array(8).fill("pending"));
});

test("cancelling leaves runs that another experiment waits for, also while that one is held", async () => {
  const bench = await TestBench.open();
  await bench.start();
  const other = await bench.start({ name: "other", seeds: [1] });
  await actions.holdExperiment(bench.lab, "person:test", "other", "wait");
  const { message } = await actions.cancelExperiment(bench.lab, "person:test", "small", "no");
  expect(message).toContain("2 go on");
  expect(await states(bench, other.experiment_id)).toEqual(["pending", "pending"]);
});

test("a rule that is fixed after its results are known is not pre-registered, and the decision says so [F54]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start();
  expect((await bench.experiment(first.experiment_id)).foreknowledge).toMatchObject({
    known_results: 0,
    preregistered: true,
  });
  await bench.finishAll(
    first.experiment_id,
    (run) => (run.arm === "a" ? 10 : 1) + run.seed * 1.01 + (run.arm === "a" ? run.seed * 0.1 : 0),
  );
  const second = await bench.start({ decision: rule });
  const { foreknowledge } = await bench.experiment(second.experiment_id);
  expect(foreknowledge).toEqual({ known_results: 6, preregistered: false, predecessor: "small@1" });
  await advanceExperiment(bench.lab, second.experiment_id);
  const { decision, state } = await bench.experiment(second.experiment_id);
  expect(state).toBe("decided");
  expect(decision).toMatchObject({ outcome: "supported", preregistered: false });
  expect(JSON.stringify(decision)).toContain("Not pre-registered: 6 results were known");
});

test("more seeds for a rule whose results are known are not pre-registered: looking until it fits is no test [F54]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ decision: rule });
  await bench.finishAll(first.experiment_id, (run) => run.seed);
  const second = await bench.start({ decision: rule, seeds: [1, 2, 3, 4] });
  expect((await bench.experiment(second.experiment_id)).foreknowledge).toMatchObject({
    known_results: 6,
    preregistered: false,
  });
});

test("another name for the same file does not hide that its results are known [F54]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ decision: rule });
  await bench.finishAll(first.experiment_id, (run) => run.seed);
  bench.write({ "run.sh": "echo another\n" });
  const renamed = await bench.start({
    name: "renamed",
    decision: { comparisons: [{ ...rule.comparisons[0], alpha: 0.2 }] },
  });
  expect((await bench.experiment(renamed.experiment_id)).foreknowledge).toMatchObject({
    known_results: 6,
    preregistered: false,
  });
});

test("an edit of the code does not make a new rule look as if it had been fixed in time [F54]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ decision: rule });
  await bench.finishAll(first.experiment_id, (run) => run.seed);
  bench.write({ "run.sh": "echo another\n" });
  const same = await bench.start({ decision: rule });
  expect((await bench.experiment(same.experiment_id)).foreknowledge.preregistered).toBe(true);
  const other = await bench.start({ decision: { comparisons: [{ ...rule.comparisons[0], min_effect: 0.1 }] } });
  expect((await bench.experiment(other.experiment_id)).foreknowledge).toMatchObject({
    known_results: 6,
    preregistered: false,
  });
});

test("what was measured since a plan was fixed was not known, and what was measured before was [F54]", async () => {
  const bench = await TestBench.open();
  const fixedBefore = new Date(Date.now() - 1_000).toISOString();
  const first = await bench.start({ name: "small-smoke-1", seeds: [1] });
  await bench.finishAll(first.experiment_id, (run) => run.seed);
  const resolved = await bench.resolve({ decision: rule });
  const issued = await startExperiment(bench.lab, "conductor", resolved, { fixedAt: fixedBefore });
  expect((await bench.experiment(issued.experiment_id)).foreknowledge).toMatchObject({ preregistered: true });
  await bench.finishAll(issued.experiment_id, (run) => run.seed);
  const late = await bench.resolve({ decision: { comparisons: [{ ...rule.comparisons[0], alpha: 0.2 }] } });
  const fixedAfter = new Date(Date.now() + 1_000).toISOString();
  const { experiment_id: second } = await startExperiment(bench.lab, "conductor", late, { fixedAt: fixedAfter });
  expect((await bench.experiment(second)).foreknowledge).toMatchObject({ known_results: 6, preregistered: false });
});

test("results that were revoked were known all the same [F54]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ seeds: [1] });
  await bench.finishAll(first.experiment_id, (run) => run.seed);
  for (const run of await bench.runs(first.experiment_id)) {
    await bench.append({
      kind: "run.invalidated",
      entity: run.id,
      data: { reason: { code: "person", message: "no" } },
    });
  }
  const second = await bench.start({ decision: rule, seeds: [1] });
  expect((await bench.experiment(second.experiment_id)).foreknowledge).toMatchObject({
    known_results: 2,
    preregistered: false,
  });
});

test("what cannot be resolved changes nothing", async () => {
  const bench = await TestBench.open();
  await expect(bench.start({ compute: ["moon"] })).rejects.toMatchObject({ code: "file-invalid" });
  await expect(bench.start({ code: ["no/such"] })).rejects.toThrow(/no\/such/);
  await expect(bench.start({ seeds: [1, 1] })).rejects.toMatchObject({ code: "file-invalid" });
  await expect(bench.start({ seeds: { count: 1_000_000 } })).rejects.toMatchObject({ code: "limit-exceeded" });
  expect(await bench.lab.store.lastPosition()).toBe(0);
});

test("other computes are no other plan: what is still to start starts there [compute.chosen]", async () => {
  const bench = await TestBench.open();
  bench.write({ "rigor.yaml": "compute: { lab1: { kind: ssh, host: lab1 } }\n" });
  const first = await bench.start();
  const second = await bench.start({ compute: ["lab1", "local"] });
  expect(second).toMatchObject({ experiment_id: first.experiment_id, created: false });
  expect(second.message).toContain("starts on lab1, local");
  expect(await bench.experiment(first.experiment_id)).toMatchObject({ compute: ["lab1", "local"] });
});

test("a newer version leaves nothing waiting for an experiment that was cancelled [state.no-orphans]", async () => {
  const bench = await TestBench.open();
  const first = await bench.start({ seeds: [1, 2] });
  const other = await bench.start({ name: "other", seeds: [1, 2] });
  await actions.cancelExperiment(bench.lab, "person:test", "other", "no");
  expect((await bench.experiment(other.experiment_id)).state).toBe("cancelled");
  await bench.start({ seeds: [3] });
  expect(await states(bench, first.experiment_id)).toEqual(["cancelled", "cancelled", "cancelled", "cancelled"]);
});
