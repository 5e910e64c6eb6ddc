import { expect, test } from "vitest";
import { TestBench } from "../bench.testing.ts";
import { waitForNews } from "./news.ts";

/** Seconds: longer than a test may take. */
const long = 3_600;
const never = new AbortController().signal;

test("whoever waits for an experiment hears of its end when it happens, by any name of it [size.waiting]", async () => {
  const bench = await TestBench.open();
  const { experiment_id } = await bench.start({ name: "awaited" });
  const { experiment_id: other } = await bench.start({ name: "other", seeds: [7] });
  let heard = 0;
  const waiting = ["awaited", "awaited@1", experiment_id].map(async (reference) => {
    const { state } = await waitForNews(bench.lab.store, reference, long, never);
    heard += 1;
    return state;
  });
  await bench.append({ kind: "experiment.cancelled", entity: other, data: { reason: "test" } });
  expect(await waitForNews(bench.lab.store, "awaited", 0.05, never)).toMatchObject({ state: "running" });
  expect(heard).toBe(0);
  await bench.append({ kind: "experiment.cancelled", entity: experiment_id, data: { reason: "test" } });
  expect(await Promise.all(waiting)).toEqual(["cancelled", "cancelled", "cancelled"]);
});

test("what goes on by nobody's doing is not waited for, and neither is a daemon that ends [size.waiting]", async () => {
  const bench = await TestBench.open();
  const { experiment_id } = await bench.start();
  const ending = new AbortController();
  const waiting = waitForNews(bench.lab.store, experiment_id, long, ending.signal);
  await waitForNews(bench.lab.store, experiment_id, 0, never);
  ending.abort();
  expect(await waiting).toMatchObject({ state: "running" });
  expect(await waitForNews(bench.lab.store, experiment_id, long, ending.signal)).toMatchObject({ state: "running" });
  const data = { code: "person" as const, reason: "test", options: [] };
  await bench.append({ kind: "experiment.held", entity: experiment_id, data });
  expect(await waitForNews(bench.lab.store, experiment_id, long, never)).toMatchObject({ state: "held" });
  await expect(waitForNews(bench.lab.store, "nothing", long, never)).rejects.toMatchObject({ code: "not-found" });
});
