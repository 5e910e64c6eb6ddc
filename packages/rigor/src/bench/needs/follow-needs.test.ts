import { expect, test } from "vitest";
import type { RunRecord } from "../../domain/records.ts";
import { compareWithLog } from "../../store/rebuild.ts";
import * as actions from "../experiments/actions.ts";
import { advanceExperiment } from "../experiments/advance.ts";
import { TestBench } from "../bench.testing.ts";
import { ReadyQueue } from "../dispatch/ready-queue.ts";

const chain = {
  arms: { probe: { role: "ours", needs: ["pretrain"] }, pretrain: { role: "baseline" }, prune: { needs: ["probe"] } },
  seeds: [1],
};

const person = "person:test";

async function start(bench: TestBench, changes: Record<string, unknown> = {}): Promise<string> {
  return (await bench.start({ ...chain, ...changes })).experiment_id;
}

async function runOf(bench: TestBench, id: string, arm: string): Promise<RunRecord> {
  const run = (await bench.runs(id)).find((one) => one.arm === arm);
  if (run === undefined) throw new Error(`there is no run of ${arm}`);
  return run;
}

async function states(bench: TestBench, id: string): Promise<string> {
  return (await bench.runs(id)).map((run) => `${run.arm} ${run.state}`).join(", ");
}

async function finish(bench: TestBench, id: string, arm: string, outputs?: string): Promise<void> {
  await bench.finish(await runOf(bench, id, arm), { loss: 1 + Math.random() }, null, 1, outputs);
}

async function fail(bench: TestBench, id: string, arm: string): Promise<void> {
  const run = await runOf(bench, id, arm);
  await bench.begin(run);
  const reason = { code: "unknown", message: "it crashed" };
  await bench.append({ kind: "run.failed", entity: run.id, data: { reason } });
}

async function startable(bench: TestBench, id: string): Promise<string[]> {
  const queue = new ReadyQueue(id);
  await queue.refill(bench.db, await bench.experiment(id), Date.now());
  const arms = new Map((await bench.runs(id)).map((run) => [run.id, run.arm]));
  return queue.peek(10).map((run) => arms.get(run) ?? "");
}

test("only runs that need nothing, or whose needs are done, may start [needs.order] [F23]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  expect(await startable(bench, id)).toEqual(["pretrain"]);
  await finish(bench, id, "pretrain");
  expect(await startable(bench, id)).toEqual(["probe"]);
  await finish(bench, id, "probe");
  expect(await startable(bench, id)).toEqual(["prune"]);
  expect(await compareWithLog(bench.lab.store)).toEqual([]);
});

test("the log refuses a start without a valid run that is needed, whoever decides it [needs.order] [F23]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await expect(bench.begin(await runOf(bench, id, "probe"))).rejects.toThrow(/is not given what it needs in pretrain/);
  await finish(bench, id, "pretrain");
  const probe = await runOf(bench, id, "probe");
  await actions.rerunRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "again");
  await expect(bench.begin(probe)).rejects.toThrow(/is not given what it needs/);
});

test("a run that fails takes those that need it with it, and they come back with it [needs.validity] [F23]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await fail(bench, id, "pretrain");
  expect(await states(bench, id)).toBe("probe cancelled, pretrain failed, prune cancelled");
  const { reason } = await runOf(bench, id, "probe");
  expect(reason?.code).toBe("need-failed");
  expect(reason?.message).toMatch(/^It needs pretrain \(run [0-9a-f]{10}\), which is failed: it crashed$/);
  await advanceExperiment(bench.lab, id);
  expect(await bench.experiment(id)).toMatchObject({
    state: "held",
    hold: {
      code: "runs-failed",
      reason: "3 runs have no valid result (1 failed, 2 cancelled); the first: unknown: it crashed",
    },
  });
  await actions.rerunFailed(bench.lab, person, "small");
  expect(await states(bench, id)).toBe("probe pending, pretrain pending, prune pending");
  expect(await startable(bench, id)).toEqual(["pretrain"]);
  expect((await bench.experiment(id)).state).toBe("running");
});

test("a rerun of the one run brings back all that need it [needs.validity]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await fail(bench, id, "pretrain");
  await actions.rerunRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "again");
  expect(await states(bench, id)).toBe("probe pending, pretrain pending, prune pending");
});

test("what a person cancelled stays so when what it needs comes back [needs.validity]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await actions.cancelRun(bench.lab, person, (await runOf(bench, id, "prune")).id, "no");
  await fail(bench, id, "pretrain");
  await actions.rerunRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "again");
  expect(await states(bench, id)).toBe("probe pending, pretrain pending, prune cancelled");
});

test("a run cannot be asked for again while what it needs has no way to a result [needs.validity]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await fail(bench, id, "pretrain");
  const probe = await runOf(bench, id, "probe");
  await expect(actions.rerunRun(bench.lab, person, probe.id, "again")).rejects.toMatchObject({
    code: "not-possible",
    message: expect.stringContaining("needs pretrain") as string,
    next: expect.stringMatching(/rigor rerun [0-9a-f]{10}/) as string,
  });
  expect(await states(bench, id)).toBe("probe cancelled, pretrain failed, prune cancelled");
});

test("a result that is revoked takes with it those that rest on it; the same outputs bring them back [needs.validity]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  for (const arm of ["pretrain", "probe", "prune"]) await finish(bench, id, arm, "a".repeat(64));
  await advanceExperiment(bench.lab, id);
  expect((await bench.experiment(id)).state).toBe("decided");
  const probeBefore = await runOf(bench, id, "probe");
  await actions.rerunRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "again");
  expect(await states(bench, id)).toBe("probe invalid, pretrain pending, prune invalid");
  expect((await runOf(bench, id, "prune")).reason?.message).toMatch(/^It needs probe .* does not count any more/);
  expect((await bench.experiment(id)).state).toBe("running");
  // Nothing is lost yet, so nobody has to be asked.
  await advanceExperiment(bench.lab, id);
  expect((await bench.experiment(id)).state).toBe("running");
  await finish(bench, id, "pretrain", "a".repeat(64));
  expect(await states(bench, id)).toBe("probe done, pretrain done, prune done");
  expect((await runOf(bench, id, "probe")).result_attempt).toBe(probeBefore.result_attempt);
  expect(await compareWithLog(bench.lab.store)).toEqual([]);
});

test("other outputs make those that need them run again [needs.validity] [F06]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  for (const arm of ["pretrain", "probe", "prune"]) await finish(bench, id, arm, "a".repeat(64));
  await actions.rerunRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "again");
  await finish(bench, id, "pretrain", "b".repeat(64));
  expect(await states(bench, id)).toBe("probe pending, pretrain done, prune invalid");
  await finish(bench, id, "probe", "a".repeat(64));
  expect(await states(bench, id)).toBe("probe done, pretrain done, prune done");
});

test("a run that goes on while what it needs is made anew is judged when both have ended [needs.validity] [F06]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await finish(bench, id, "pretrain", "a".repeat(64));
  const attempt = await bench.begin(await runOf(bench, id, "probe"));
  await actions.rerunRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "again");
  expect(await states(bench, id)).toBe("probe active, pretrain pending, prune pending");
  await bench.succeed(attempt, { loss: 2 });
  expect(await states(bench, id)).toBe("probe invalid, pretrain pending, prune cancelled");
  await finish(bench, id, "pretrain", "b".repeat(64));
  expect(await states(bench, id)).toBe("probe pending, pretrain done, prune pending");
});

test("an artifact that is declared later is kept by other runs, and what needs it waits for those [needs.kept] [F23]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  for (const arm of ["pretrain", "probe", "prune"]) await finish(bench, id, arm);
  const arms = { ...chain.arms, pretrain: { role: "baseline", artifacts: ["model"] } };
  const second = await bench.start({ ...chain, arms });
  expect(second.message).toBe("the plan and what runs keep (`artifacts`) changed since small@1");
  expect(await states(bench, second.experiment_id)).toBe("probe pending, pretrain pending, prune pending");
  expect(await startable(bench, second.experiment_id)).toEqual(["pretrain"]);
  // What rests on the former runs keeps them.
  expect(await states(bench, id)).toBe("probe done, pretrain done, prune done");
});

test("an experiment that wants runs of another says whose, why they have no result, and the command that makes both [needs.remedy]", async () => {
  const bench = await TestBench.open();
  const first = (await bench.start({ name: "first", arms: { pretrain: {} }, seeds: [1, 2] })).experiment_id;
  const arms = { probe: { needs: ["first/pretrain"] }, prune: { needs: ["probe"] } };
  const second = (await bench.start({ name: "second", arms, seeds: [1, 2] })).experiment_id;
  const third = (await bench.start({ name: "third", arms: { last: { needs: ["second/prune"] } }, seeds: [1] }))
    .experiment_id;
  await actions.cancelExperiment(bench.lab, person, "first", "a wrong idea");
  for (const [id, runs, wanting] of [
    [second, "4 runs have", 4],
    [third, "1 run has", 1],
  ] as const) {
    await advanceExperiment(bench.lab, id);
    const { name, hold } = await bench.experiment(id);
    expect(hold?.reason).toBe(
      `${runs} no valid result (${wanting} cancelled); ${wanting} for want of runs of first@1: cancelled: a wrong idea`,
    );
    // What would be refused is not offered.
    expect(hold?.options).toEqual([
      `rigor list ${name}@1 --cancelled`,
      "rigor rerun first@1 --failed",
      `rigor release ${name}@1 --without-failed`,
      `rigor cancel ${name}@1`,
    ]);
    await expect(actions.rerunFailed(bench.lab, person, name)).rejects.toMatchObject({
      message: `Runs of ${name}@1 want runs of first@1, which have no result: cancelled: a wrong idea.`,
      next: "Make those first, and what needs them follows: rigor rerun first@1 --failed",
    });
  }
  await actions.rerunFailed(bench.lab, person, "first");
  for (const id of [first, second, third]) expect((await bench.experiment(id)).state).toBe("running");
  expect(await states(bench, third)).toBe("last pending");
});

test("an arm that has another name now is found where it was, at its line [needs.file]", async () => {
  const bench = await TestBench.open();
  await bench.start({ name: "first", arms: { pretrain: {} }, seeds: [1] });
  await bench.start({ name: "first", arms: { "a large model": {} }, seeds: [1] });
  const probing = (from: string) => ({ name: "second", arms: { probe: { needs: [from] } }, seeds: [1] });
  await expect(bench.start(probing("first/pretrain"))).rejects.toMatchObject({
    code: "file-invalid",
    message: expect.stringMatching(
      /^experiment\.yaml:\d+:\d+: arms\.probe\.needs\[0\]: first@2 has no run of an arm `pretrain`; first@1 had it: `first@1\/pretrain` \(it has: a large model\)$/,
    ) as string,
  });
  // Its runs were never done, and nobody makes them any more.
  const { experiment_id: id } = await bench.start(probing("first@1/pretrain"));
  expect(await states(bench, id)).toBe("probe cancelled");
});

test("an experiment whose needed runs were superseded asks for the newest ones [needs.remedy]", async () => {
  const bench = await TestBench.open();
  await bench.start({ name: "first", arms: { pretrain: {} }, seeds: [1] });
  const second = (await bench.start({ name: "second", arms: { probe: { needs: ["first/pretrain"] } }, seeds: [1] }))
    .experiment_id;
  // Each needs the other's newest version: that is no circle, but leaves nobody who makes the first runs.
  await bench.start({ name: "first", arms: { pretrain: { needs: ["second/probe"] } }, seeds: [1] });
  await advanceExperiment(bench.lab, second);
  const { hold } = await bench.experiment(second);
  expect(hold?.reason).toContain("for want of runs of first@1: cancelled: superseded by a newer version of first");
  expect(hold?.options).toContain("rigor run experiment.yaml (it then needs the newest version of first)");
});

test("an experiment that names an older version, whose runs nobody makes any more, is told to name another [needs.remedy]", async () => {
  const bench = await TestBench.open();
  await bench.start({ name: "first", arms: { pretrain: {} }, seeds: [1] });
  await bench.start({ name: "first", arms: { pretrain: { parameters: { size: 2 } } }, seeds: [1] });
  const probing = { name: "second", arms: { probe: { needs: ["first@1/pretrain"] } }, seeds: [1] };
  const { experiment_id: second } = await bench.start(probing);
  await advanceExperiment(bench.lab, second);
  expect((await bench.experiment(second)).hold?.options).toContain(
    "rigor run experiment.yaml (once its `needs` name first, which is the newest version, instead of first@1)",
  );
});

test("runs that wait for a held one hold their experiment with it, and go on with it [needs.validity] [F05]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench);
  await actions.holdRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "wait");
  await advanceExperiment(bench.lab, id);
  expect((await bench.experiment(id)).hold?.code).toBe("runs-held");
  await actions.releaseRun(bench.lab, person, (await runOf(bench, id, "pretrain")).id, "go");
  expect((await bench.experiment(id)).state).toBe("running");
  expect(await states(bench, id)).toBe("probe pending, pretrain pending, prune pending");
});

test("who waits for a held run of another experiment is told which to release, and goes on with it or is told that it is gone [needs.remedy] [F05]", async () => {
  const bench = await TestBench.open();
  const first = (await bench.start({ name: "first", arms: { pretrain: {} }, seeds: [1] })).experiment_id;
  const arms = { probe: { needs: ["first/pretrain"] } };
  const second = (await bench.start({ name: "second", arms, seeds: [1] })).experiment_id;
  const pretrain = (await runOf(bench, first, "pretrain")).id;
  await actions.holdRun(bench.lab, person, pretrain, "the data is being looked at");
  await advanceExperiment(bench.lab, second);
  const short = pretrain.slice(0, 10);
  expect((await bench.experiment(second)).hold).toMatchObject({
    code: "runs-held",
    reason: `1 run is held; waiting for run ${short} of first@1, which is held: the data is being looked at`,
    options: [`rigor release ${short}`, "rigor cancel second@1"],
  });
  await actions.releaseRun(bench.lab, person, pretrain, "go");
  expect((await bench.experiment(second)).state).toBe("running");
  await actions.holdRun(bench.lab, person, pretrain, "once more");
  await advanceExperiment(bench.lab, second);
  expect((await bench.experiment(second)).hold?.code).toBe("runs-held");
  await actions.cancelRun(bench.lab, person, pretrain, "a wrong idea");
  expect(await states(bench, second)).toBe("probe cancelled");
  await advanceExperiment(bench.lab, second);
  expect((await bench.experiment(second)).hold).toMatchObject({
    code: "runs-failed",
    reason: expect.stringContaining("for want of runs of first@1: cancelled: a wrong idea") as string,
  });
});

test("an experiment can be decided without a run that failed and all that need it [needs.validity]", async () => {
  const bench = await TestBench.open();
  const id = await start(bench, { seeds: [1, 2] });
  const [first, second] = (await bench.runs(id)).filter((run) => run.arm === "pretrain");
  await bench.begin(first as RunRecord);
  await bench.append({
    kind: "run.failed",
    entity: first?.id ?? "",
    data: { reason: { code: "unknown", message: "no" } },
  });
  await bench.finish(second as RunRecord, { loss: 1 });
  for (const arm of ["probe", "prune"]) {
    const run = (await bench.runs(id)).find((one) => one.arm === arm && one.seed === 2) as RunRecord;
    await bench.finish(run, { loss: 3 });
  }
  await advanceExperiment(bench.lab, id);
  await actions.releaseExperiment(bench.lab, person, "small", { message: "go", without_failed: true });
  await advanceExperiment(bench.lab, id);
  expect((await bench.experiment(id)).state).toBe("decided");
});
