import { expect, test } from "vitest";
import { liveAttempts } from "../records/attempt-queries.ts";
import type { JobStatus } from "../../compute/executor.ts";
import { Interruptions } from "../attempts/interruptions.ts";
import { Budgets } from "./budgets.ts";
import { TestBench } from "../bench.testing.ts";

const hour = 3_600;

test("what ended and what runs is counted by the cards that each held [budget.held]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ budget: { gpu_hours: 10, wall: "1h" } });
  const [ended, running, waiting] = await bench.runs(id);
  if (ended === undefined || running === undefined || waiting === undefined) throw new Error("too few runs");
  const first = await bench.begin(ended, ["GPU-0", "GPU-1"]);
  const times = { started_at: null, finished_at: new Date().toISOString(), duration: 2 * hour };
  const peaks = { memory_peak: null, gpu_memory_peak: null };
  const data = { state: "failed" as const, exit: null, category: "unknown", evidence: null, ...times, ...peaks };
  await bench.append({ kind: "attempt.finished", entity: first, data });
  const second = await bench.begin(running, ["GPU-0"]);
  const now = Date.now() + 3 * hour * 1_000;
  const started_at = new Date(now - hour * 1_000).toISOString();
  await bench.append({ kind: "attempt.started", entity: second, data: { process: null, started_at } });
  await bench.begin(waiting, ["GPU-1"]);

  const experiment = await bench.experiment(id);
  const usage = await new Budgets(bench.db).usage(experiment, await liveAttempts(bench.db), now);
  expect(usage.gpu_hours).toBeCloseTo(2 * 2 + 1, 6);
  expect(usage.wall).toBeCloseTo((now - Date.parse(experiment.created_at)) / 1_000, 6);
});

test("cards that a scheduler gives are counted as they were asked for: nobody here knows which they are [budget.held]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ budget: { gpu_hours: 10, wall: "1h" } });
  const [ended, running] = await bench.runs(id);
  if (ended === undefined || running === undefined) throw new Error("too few runs");
  const times = { started_at: null, finished_at: new Date().toISOString(), duration: 3 * hour };
  const peaks = { memory_peak: null, gpu_memory_peak: null };
  const data = { state: "failed" as const, exit: null, category: "unknown", evidence: null, ...times, ...peaks };
  await bench.append({ kind: "attempt.finished", entity: await bench.beginAtScheduler(ended, 2), data });
  const now = Date.now() + 3 * hour * 1_000;
  const started_at = new Date(now - hour * 1_000).toISOString();
  const second = await bench.beginAtScheduler(running, 4);
  await bench.append({ kind: "attempt.started", entity: second, data: { process: null, started_at } });
  const usage = await new Budgets(bench.db).usage(await bench.experiment(id), await liveAttempts(bench.db), now);
  expect(usage.gpu_hours).toBeCloseTo(2 * 3 + 4, 6);
});

test("a job that its scheduler has interrupted uses nothing while it waits, also for the next daemon [budget.interrupted]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ budget: { gpu_hours: 10, wall: "1h" } });
  const [run] = await bench.runs(id);
  if (run === undefined) throw new Error("no run");
  const attempt = await bench.beginAtScheduler(run, 2);
  const start = Date.now();
  const after = (hours: number) => start + hours * hour * 1_000;
  const started_at = new Date(start).toISOString();
  await bench.append({ kind: "attempt.started", entity: attempt, data: { process: null, started_at } });
  let interruptions = new Interruptions(bench.lab.store);
  const note = (status: JobStatus, now: number) =>
    interruptions.note([{ id: attempt, started_at }], new Map([[attempt, status]]), now);
  const used = async (now: number) =>
    (await new Budgets(bench.db).usage(await bench.experiment(id), await liveAttempts(bench.db), now)).gpu_hours;

  await note({ state: "running", beat_at: null }, after(1));
  expect(await used(after(1))).toBeCloseTo(2 * 1, 6);
  await note({ state: "waiting", reason: "Resources" }, after(1));
  await note({ state: "waiting", reason: "Priority" }, after(3));
  expect(await used(after(4))).toBeCloseTo(2 * 1, 6);
  interruptions = new Interruptions(bench.lab.store);
  await interruptions.adopt(new Set([attempt]));
  await note({ state: "running", beat_at: null }, after(4));
  expect(await used(after(6))).toBeCloseTo(2 * 3, 6);
  await note({ state: "waiting", reason: "Resources" }, after(6));
  expect(await used(after(9))).toBeCloseTo(2 * 3, 6);
  expect(interruptions.ranUntil({ id: attempt, started_at }, null)).toBeCloseTo(3 * hour, 3);
  // Of what is over, nothing is kept.
  await interruptions.adopt(new Set());
  expect(await bench.db.selectFrom("interrupted_jobs").selectAll().execute()).toEqual([]);
});

test("a job that left no record has used its cards until its last sign of life [budget.lost]", async () => {
  const bench = await TestBench.open();
  const interruptions = new Interruptions(bench.lab.store);
  const start = Date.now();
  const after = (hours: number) => start + hours * hour * 1_000;
  const lost = { id: "lost-1", started_at: new Date(start).toISOString() };
  expect(interruptions.ranUntil(lost, null)).toBeNull();
  expect(interruptions.ranUntil(lost, after(2))).toBeCloseTo(2 * hour, 3);
  expect(interruptions.ranUntil({ ...lost, started_at: null }, after(2)), "never seen at work").toBeNull();
  const note = (status: JobStatus, now: number) => interruptions.note([lost], new Map([[lost.id, status]]), now);
  await note({ state: "waiting", reason: "Resources" }, after(1));
  expect(interruptions.ranUntil(lost, after(1))).toBeCloseTo(hour, 3);
  await note({ state: "running", beat_at: null }, after(4));
  expect(interruptions.ranUntil(lost, after(6))).toBeCloseTo(3 * hour, 3);
});

test("a clock that jumped back uses nothing up [job.clock-jump]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ budget: { gpu_hours: 1, wall: "1h" } });
  const [run] = await bench.runs(id);
  if (run === undefined) throw new Error("no run");
  const attempt = await bench.begin(run, ["GPU-0"]);
  await bench.append({
    kind: "attempt.started",
    entity: attempt,
    data: { process: null, started_at: new Date().toISOString() },
  });
  const before = Date.now() - 1e9;
  const usage = await new Budgets(bench.db).usage(await bench.experiment(id), await liveAttempts(bench.db), before);
  expect(usage).toEqual({ gpu_hours: 0, wall: 0 });
});
