import { expect, test } from "vitest";
import type { DomainEvent } from "../../domain/events/registry.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { TestBench } from "../bench.testing.ts";

const stages = [{ name: "pilot", seeds: [3] }, { name: "full" }];

async function opened(definition: Record<string, unknown> = {}) {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start(definition);
  const queue = new ReadyQueue(id);
  const refill = async (now = Date.now()) => queue.refill(bench.db, await bench.experiment(id), now);
  const seeds = async () => {
    const all = new Map((await bench.runs(id)).map((run) => [run.id, run.seed]));
    return queue.peek(100).map((run) => all.get(run));
  };
  return { bench, id, queue, refill, seeds };
}

test("only runs of stages that have begun may start, earlier stages first [stages.order]", async () => {
  const { bench, id, queue, refill, seeds } = await opened({ seeds: [1, 2, 3], stages });
  await refill();
  expect(await seeds()).toEqual([3, 3]);
  await bench.append({ kind: "experiment.stage-started", entity: id, data: { stage: 1, reason: "passed" } });
  queue.invalidate();
  await refill();
  expect(await seeds()).toEqual([3, 3, 1, 2, 1, 2]);
});

test("a run is taken from wherever it stands, once", async () => {
  const { queue, refill } = await opened();
  await refill();
  const [first = "", second = "", ...rest] = queue.peek(6);
  queue.take(second);
  expect(queue.peek(6)).toEqual([first, ...rest]);
  queue.take(first);
  queue.take(first);
  queue.take("unknown");
  expect(queue.peek(6)).toEqual(rest);
  for (const run of rest) queue.take(run);
  expect(queue.empty).toBe(true);
});

test("a retry waits until its time, and is then found without being told of [F07] [job.retry]", async () => {
  const { bench, id, queue, refill } = await opened({ seeds: [1] });
  const [run] = await bench.runs(id);
  if (run === undefined) throw new Error("no run");
  const due = Date.now() + 60_000;
  await bench.begin(run);
  const retries = { infrastructure: 1, preemption: 0, code: 0 };
  const data = { reason: { code: "network", message: "lost" }, retries, not_before: new Date(due).toISOString() };
  await bench.append({ kind: "run.retried", entity: run.id, data });
  await refill(due - 1);
  expect(queue.peek(9)).toHaveLength(1);
  expect(queue.peek(9)).not.toContain(run.id);
  expect(queue.dueAt).toBe(due);
  // Another process that reads the same tables knows the same time.
  await refill(due);
  expect(queue.peek(9)).toContain(run.id);
  expect(queue.dueAt).toBeNull();
});

test("what is not pending is not there after the next look", async () => {
  const { bench, id, queue, refill } = await opened();
  const [started, held, cancelled] = await bench.runs(id);
  if (started === undefined || held === undefined || cancelled === undefined) throw new Error("too few runs");
  await refill();
  await bench.begin(started);
  const reason = { code: "person", message: "no" };
  await bench.append(
    { kind: "run.held", entity: held.id, data: { reason } },
    { kind: "run.cancelled", entity: cancelled.id, data: { reason } },
  );
  queue.invalidate();
  await refill();
  expect(queue.peek(9)).toHaveLength(3);
});

test("more runs than a page holds all come, each once [F09]", async () => {
  const { bench, id, queue, refill } = await opened({ seeds: { count: 600 } });
  const cancelled = (run: string): DomainEvent => {
    return { kind: "run.cancelled", entity: run, data: { reason: { code: "person", message: "seen" } } };
  };
  const seen: string[] = [];
  for (await refill(); !queue.empty; await refill()) {
    const page = queue.peek(400);
    for (const run of page) queue.take(run);
    // They leave the queue as runs do that start, and the queue is not told.
    await bench.append(...page.map(cancelled));
    seen.push(...page);
  }
  expect(seen).toHaveLength(1_200);
  expect(new Set(seen)).toEqual(new Set((await bench.runs(id)).map((run) => run.id)));
});
