import { expect, test } from "vitest";
import type { RunRecord } from "../../domain/records.ts";
import { TestBench } from "../bench.testing.ts";
import { LearntNeeds, memoryNeeds } from "./learnt.ts";

const gigabyte = 1e9;

/** Two arms and three seeds each, on a card. */
const onCards = (resources: Record<string, unknown> = {}) => ({ resources: { gpus: 1, ...resources } });

async function bench(): Promise<{ bench: TestBench; id: string; used: typeof used }> {
  const opened = await TestBench.open();
  const { experiment_id: id } = await opened.start(onCards());
  return { bench: opened, id, used };

  async function used(arm: string, seed: number, gpu: number | null, memory: number | null, state = "succeeded") {
    const run = (await opened.runs(id)).find((one) => one.arm === arm && one.seed === seed) as RunRecord;
    const attempt = await opened.begin(run, ["GPU-0"]);
    await opened.append({
      kind: "attempt.finished",
      entity: attempt,
      data: {
        state: state as "succeeded" | "failed",
        exit: null,
        category: null,
        evidence: null,
        started_at: null,
        finished_at: new Date().toISOString(),
        duration: 1,
        memory_peak: memory,
        gpu_memory_peak: gpu,
      },
    });
  }
}

test("what runs of a cell need is the most that finished ones of it used [memory.learnt]", async () => {
  const { bench: opened, id, used } = await bench();
  const needs = new LearntNeeds(opened.db);
  const experiment = await opened.experiment(id);
  const runs = await opened.runs(id);
  const of = async (arm: string) => {
    const found = await needs.of(
      experiment,
      runs.map((run) => run.id),
    );
    return runs.filter((run) => run.arm === arm).map((run) => found.get(run.id));
  };
  expect(await of("a")).toEqual([undefined, undefined, undefined]);
  await used("a", 1, 20 * gigabyte, null);
  await used("a", 2, 30 * gigabyte, null);
  await used("b", 1, 70 * gigabyte, null, "failed");
  needs.forget(experiment);
  expect(await of("a")).toEqual([30 * gigabyte, 30 * gigabyte, 30 * gigabyte]);
  expect(await of("b")).toEqual([undefined, undefined, undefined]);
});

test("a plan proposes what was learnt, and changes nothing [memory.learnt]", async () => {
  const { bench: opened, used } = await bench();
  const needs = async (resources?: Record<string, unknown>) =>
    memoryNeeds(opened.db, await opened.resolve(onCards(resources)));
  const nothing = { asked: null, seen: null, proposed: null };
  expect(await needs()).toEqual({ memory: nothing, gpu_memory: nothing });
  expect(await needs({ gpus: 0 })).toEqual({ memory: nothing, gpu_memory: null });
  await used("a", 1, 20.01 * gigabyte, 0.501 * gigabyte);
  await used("b", 1, 10 * gigabyte, 2 * gigabyte);
  expect(await needs()).toEqual({
    memory: { asked: null, seen: 2 * gigabyte, proposed: 2.4 * gigabyte },
    gpu_memory: { asked: null, seen: 20.01 * gigabyte, proposed: 20.1 * gigabyte },
  });
  expect(await needs({ memory: "1GB", gpu_memory: "30GB" })).toEqual({
    memory: { asked: gigabyte, seen: 2 * gigabyte, proposed: 2.4 * gigabyte },
    gpu_memory: { asked: 30 * gigabyte, seen: 20.01 * gigabyte, proposed: null },
  });
});
