import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { makeJob, quoted, type ExecutorPlace } from "./executor.testing.ts";

/** How jobs end: by themselves, by a limit, by a person. */
export function endTests(place: ExecutorPlace): void {
  test("success is recorded with its times", async () => {
    const before = Date.now() / 1000;
    const handle = await place.submit(["sh", "-c", "echo out; echo err >&2; sleep 0.3"]);
    const { exit } = await place.until(handle, "ended");
    expect(exit).toMatchObject({ attempt: handle.attempt, code: 0, signal: null, reason: "exited" });
    expect(exit.duration).toBeGreaterThan(0.25);
    expect(exit.duration).toBeLessThan(place.patience);
    expect(exit.finished_at - exit.started_at).toBeCloseTo(exit.duration, 1);
    expect(Math.abs(exit.started_at - before)).toBeLessThan(place.patience);
    expect(await place.outputOf(handle)).toMatchObject({ text: "out\n", errors: "err\n" });
  });

  test("a status other than zero is recorded [F41]", async () => {
    const { exit } = await place.until(await place.submit("exit 3"), "ended");
    expect(exit).toMatchObject({ code: 3, signal: null, reason: "exited" });
  });

  test("a status above all signals is a status [F41]", async () => {
    const { exit } = await place.until(await place.submit("exit 255"), "ended");
    expect(exit).toMatchObject({ code: 255, signal: null, reason: "exited" });
  });

  test("death by a signal is recorded with its name [F41]", async () => {
    const { exit } = await place.until(await place.submit(["sh", "-c", "kill -KILL $$"]), "ended");
    expect(exit).toMatchObject({ signal: "KILL", reason: "signal" });
  });

  test("a command that does not exist fails and is named [job.missing-command]", async () => {
    const handle = await place.submit(["no-such-program-here", "x"]);
    const { exit } = await place.until(handle, "ended");
    expect(exit.code).toBe(127);
    expect((await place.outputOf(handle)).errors).toContain("no-such-program-here");
  });

  test("a working directory that does not exist fails and is named [F21]", async () => {
    const handle = await place.submit(["true"], { working_directory: join(place.folder, "nowhere") });
    const { exit } = await place.until(handle, "ended");
    expect(exit.code).not.toBe(0);
    expect((await place.outputOf(handle)).errors).toContain("nowhere");
  });

  test("a job that passes its time limit is ended, its children too [job.time-limit] [job.process-group]", async () => {
    const marker = join(place.folder, "child");
    const command = `trap '' TERM; (trap '' TERM; while :; do sleep 0.1; date >'${quoted(marker)}'; done) & wait; sleep 1000`;
    const handle = await place.submit(command, { time_limit: 1 });
    const { exit } = await place.until(handle, "ended");
    expect(exit.reason).toBe("time-limit");
    expect(exit.duration).toBeGreaterThan(0.9);
    expect(exit.duration).toBeLessThan(place.patience);
    await expectQuiet(marker);
  });

  test("what a job leaves in its group is ended with it [job.process-group]", async () => {
    const marker = join(place.folder, "left");
    const command = `(trap '' TERM; while :; do date >'${quoted(marker)}'; sleep 0.1; done) & while [ ! -e '${quoted(marker)}' ]; do sleep 0.05; done`;
    const { exit } = await place.until(await place.submit(command), "ended");
    expect(exit.code).toBe(0);
    await expectQuiet(marker);
  });

  test("a running job is cancelled, and may tidy up first [job.cancel]", async () => {
    const handle = await place.submit(
      `trap 'echo tidied; exit 0' TERM; echo up >"$RIGOR_OUTPUT/up"; while :; do sleep 0.1; done`,
    );
    await place.untilExists(join(place.directoryOf(handle).output, "up"));
    await place.executor.cancel([handle]);
    const status = await place.settled(handle);
    expect(status).toMatchObject(place.cancelled({ code: 0 }));
    expect((await place.outputOf(handle)).text).toBe(status.state === "gone" ? "" : "tidied\n");
  });

  test("a job that ignores the request to end is killed after its grace [job.cancel]", async () => {
    const handle = await place.submit([
      "sh",
      "-c",
      `trap '' TERM; echo up >"$RIGOR_OUTPUT/up"; while :; do sleep 0.1; done`,
    ]);
    await place.untilExists(join(place.directoryOf(handle).output, "up"));
    await place.executor.cancel([handle]);
    expect(await place.settled(handle)).toMatchObject(place.cancelled({ signal: "KILL" }));
  });

  test("a job that is cancelled at once never runs, or ends as cancelled [job.cancel]", async () => {
    const handles = await place.executor.submit(
      Array.from({ length: 20 }, () => makeJob(place.folder, ["sleep", "200"])),
    );
    await place.executor.cancel(handles);
    for (const handle of handles) {
      const status = await place.settled(handle);
      if (status.state === "gone") expect(status.withdrawn).toBe(true);
      else expect(status.exit.reason).toBe("cancelled");
    }
  });

  test("a listener hears of the end", async () => {
    const heard: string[] = [];
    place.executor.onChange((attempt) => heard.push(attempt));
    const handle = await place.submit(["true"]);
    expect((await place.until(handle, "ended")).exit.code).toBe(0);
    await expect.poll(() => heard, { timeout: 60_000 }).toContain(handle.attempt);
  });

  test("a probe tells what the machine has", async () => {
    const found = await place.executor.probe();
    expect(found.cpus).toBeGreaterThanOrEqual(1);
    expect(found.memory_total).toBeGreaterThan(1024 * 1024);
    expect(found.disk_free).toBeGreaterThan(0);
    expect(found.host).not.toBe("");
  });
}

/** A process that wrote to a file again and again does so no more. */
async function expectQuiet(path: string): Promise<void> {
  const isWritten = async () => {
    rmSync(path, { force: true });
    await sleep(500);
    return existsSync(path);
  };
  await expect.poll(isWritten).toBe(false);
}
