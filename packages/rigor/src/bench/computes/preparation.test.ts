import { expect, onTestFinished, test, vi } from "vitest";
import { RigorError } from "../../domain/errors.ts";
import { sshCompute } from "../../domain/files/compute-schema.ts";
import type { Staged, Stager } from "../../provenance/staging/stager.ts";
import { TestBench } from "../bench.testing.ts";
import { Lane } from "../lab/lane.ts";
import { Preparation } from "./preparation.ts";

// The pauses between the first tries take a minute.
vi.mock(import("node:timers/promises"), async (original) => ({
  ...(await original()),
  setTimeout: () => Promise.resolve(undefined as never),
}));

/** An experiment on another machine, where code is staged as the test says. Time stands still. */
async function prepareBy(stage: () => Promise<Staged>) {
  const bench = await TestBench.open(() => ({ stage }) as unknown as Stager);
  const { executor, stager, dial } = bench.lab.lanes.here;
  const lane = new Lane("lab1", sshCompute.parse({ kind: "ssh", host: "lab1" }), {
    executor,
    stager,
    dial,
    scheduler: null,
  });
  const { experiment_id: id } = await bench.start();
  const experiment = await bench.experiment(id);
  const preparation = new Preparation(bench.lab);
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  return {
    tryIt: () => new Promise<void>((done) => preparation.begin(experiment, lane, done)),
    begin: () => preparation.begin(experiment, lane, () => undefined),
    failure: () => preparation.failure(id, lane.id),
    ready: () => preparation.get(id, lane.id),
  };
}

test("a build that lacks a network for long is tried again ten minutes later, by itself [environment.network]", async () => {
  let error: RigorError | null = new RigorError("network", "The index cannot be reached.");
  let tries = 0;
  const made = { directory: "/checkout" } as Staged;
  const { tryIt, begin, failure, ready } = await prepareBy(() => {
    tries += 1;
    return error === null ? Promise.resolve(made) : Promise.reject(error);
  });
  for (let times = 0; times < 4; times += 1) {
    expect(failure()).toBeNull();
    await tryIt();
  }
  expect([tries, failure()]).toEqual([4, error]);
  begin();
  expect(tries).toBe(4);

  vi.advanceTimersByTime(600_000);
  expect(failure()).toBeNull();
  await tryIt();
  expect([tries, failure()]).toEqual([5, error]);

  vi.advanceTimersByTime(600_000);
  error = null;
  await tryIt();
  expect(ready()).toBe(made);
});

test("what is wrong with an experiment is not tried again by itself [environment.network]", async () => {
  const error = new RigorError("environment", "There is no such package.");
  const { tryIt, failure } = await prepareBy(() => Promise.reject(error));
  await tryIt();
  vi.advanceTimersByTime(24 * 3_600_000);
  expect(failure()).toBe(error);
});
