import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { ExitRecord } from "../../compute/attempt/job.ts";
import { TestBench } from "../bench.testing.ts";
import { observeOutcome } from "./outcome.ts";

test("the end of a run that its scheduler had started again says how often [compute.restarts]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start();
  const experiment = await bench.experiment(id);
  const directory = new AttemptDirectory(mkdtempSync(join(tmpdir(), "rigor-attempt-")));
  directory.create();
  writeFileSync(join(directory.output, "result.json"), '{"metrics":{"loss":0.5}}');
  writeFileSync(directory.stderr, "AssertionError: no\n");
  const tried = { attempt: { directory: directory.path, started_at: null }, run: { arm: "a" }, experiment };
  const evidenceOf = async (code: number, restarts: number) => {
    const exit: ExitRecord = {
      ...{ attempt: "a", code, signal: null, reason: "exited", oom_kills: null, restarts, resumed: false },
      ...{ memory_peak: null, gpu_memory_peak: null, duration: 1, started_at: 1, finished_at: 2 },
    };
    return (await observeOutcome(tried, { state: "ended", exit })).evidence;
  };
  expect(await evidenceOf(0, 0)).toBeNull();
  expect(await evidenceOf(0, 1)).toBe("Its scheduler had started it again once.");
  expect(await evidenceOf(1, 2)).toMatch(/^AssertionError: no Its scheduler had started it again 2 times\.$/);
});
