import { mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { ExitRecord } from "../../compute/attempt/job.ts";
import { TestBench } from "../bench.testing.ts";
import { observeOutcome } from "./outcome.ts";

/** An attempt that is over, in a directory of its own, and how it ended. */
async function endedAttempt() {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start();
  const experiment = await bench.experiment(id);
  const directory = new AttemptDirectory(mkdtempSync(join(tmpdir(), "rigor-attempt-")));
  directory.create();
  const attempt = { directory: directory.path, started_at: null };
  const tried = { attempt, run: { arm: "a" }, experiment, ran: 30 };
  const withdrawn = () => observeOutcome(tried, { state: "gone", withdrawn: true });
  const observe = (code: number, restarts: number) => {
    const exit: ExitRecord = {
      ...{
        attempt: "a",
        code,
        signal: null,
        reason: "exited",
        oom_kills: null,
        restarts,
        resumed: false,
        code_changed: 0,
        code_added: 0,
      },
      ...{ memory_peak: null, gpu_memory_peak: null, duration: 1, started_at: 1, finished_at: 2 },
    };
    return observeOutcome(tried, { state: "ended", exit });
  };
  return { directory, result: join(directory.output, "result.json"), observe, withdrawn };
}

test("the end of a run that its scheduler had started again says how often [compute.restarts]", async () => {
  const { directory, result, observe } = await endedAttempt();
  writeFileSync(result, '{"metrics":{"loss":0.5}}');
  writeFileSync(directory.stderr, "AssertionError: no\n");
  const evidenceOf = async (code: number, restarts: number) => (await observe(code, restarts)).evidence;
  expect(await evidenceOf(0, 0)).toBeNull();
  expect(await evidenceOf(0, 1)).toBe("Its scheduler had started it again once.");
  expect(await evidenceOf(1, 2)).toMatch(/^AssertionError: no Its scheduler had started it again 2 times\.$/);
});

test("what ran before its scheduler interrupted it has run so long, also when it is then taken back [budget.interrupted]", async () => {
  const { withdrawn } = await endedAttempt();
  expect(await withdrawn()).toMatchObject({ state: "cancelled", duration: 30 });
});

test("what the job says of the checkout does not hide why its program failed", async () => {
  const { directory, observe } = await endedAttempt();
  writeFileSync(
    directory.stderr,
    "curl: (6) Could not resolve host: example.org\nrigor: added to the code: .cache/x\n",
  );
  const { category, evidence } = await observe(1, 0);
  expect(category).toBe("network");
  expect(evidence).not.toContain(".cache/x");
});

test("a result of a terabyte is refused without being read [job.bad-result]", async () => {
  const { result, observe } = await endedAttempt();
  writeFileSync(result, "");
  truncateSync(result, 1e12); // It takes no room on the disk, and hours to read.
  expect(await observe(0, 0)).toMatchObject({
    ...{ state: "failed", category: "bad-result", evidence: "result.json has more than 10 MiB." },
    outputs: [],
  });
  expect(await observe(1, 0)).toMatchObject({ state: "failed", outputs: [] });
});
