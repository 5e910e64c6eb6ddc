import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { makeJob, quoted, type ExecutorPlace } from "./executor.testing.ts";

/** What a crash, a restart or a lie of a file must not do. */
export function crashTests(place: ExecutorPlace): void {
  test("a crash between submission and its record does not run a job twice [F10]", async () => {
    const count = join(place.folder, "count");
    const job = makeJob(place.folder, `echo ran >>'${quoted(count)}'; sleep 0.3`);
    await place.executor.submit([job]);
    await place.reopen();
    const [handle] = await place.executor.submit([job]);
    if (handle === undefined) throw new Error("no handle");
    await place.until(handle, "ended");
    await place.executor.submit([job]);
    await sleep(300);
    expect(readFileSync(count, "utf8")).toBe("ran\n");
  });

  test("a job that was withdrawn never starts; one that has started cannot be withdrawn [F10]", async () => {
    const job = makeJob(place.folder, ["touch", join(place.folder, "started")]);
    const handle = { attempt: job.attempt, run: job.run };
    expect((await place.executor.status([handle])).get(job.attempt)).toEqual({ state: "unclaimed" });
    expect(await place.executor.withdraw(handle)).toBe(true);
    expect(await place.executor.withdraw(handle)).toBe(true);
    await place.executor.submit([job]);
    await sleep(300);
    expect(existsSync(join(place.folder, "started"))).toBe(false);
    expect((await place.executor.status([handle])).get(job.attempt)).toMatchObject({ state: "gone", withdrawn: true });

    const other = await place.submit(["sleep", "200"]);
    await place.until(other, "running");
    expect(await place.executor.withdraw(other)).toBe(false);
    await sleep(300);
    expect(await place.until(other, "running")).toMatchObject({ state: "running" });
    await place.executor.cancel([other]);
    expect(await place.settled(other)).toMatchObject(place.cancelled());
  });

  test("jobs go on without their executor, and the next one finds, follows and cancels them [job.survives-daemon]", async () => {
    const going = await place.submit(`sleep 0.5; echo done`);
    const endless = await place.submit(["sleep", "200"]);
    await place.until(endless, "running");
    await place.reopen();
    await place.until(endless, "running");
    expect((await place.until(going, "ended")).exit.code).toBe(0);
    expect((await place.outputOf(going)).text).toBe("done\n");
    await place.executor.cancel([endless]);
    expect(await place.settled(endless)).toMatchObject(place.cancelled());
  });

  test("the time limit holds although nobody is there [job.time-limit] [job.survives-daemon]", async () => {
    const handle = await place.submit(["sleep", "200"], { time_limit: 2 });
    await place.executor.close();
    await place.untilExists(place.directoryOf(handle).exit);
    await place.reopen();
    expect((await place.until(handle, "ended")).exit.reason).toBe("time-limit");
  });

  test("200 jobs at once all end, each once, each with its own record [F09]", async () => {
    const jobs = Array.from({ length: 200 }, (_, index) => makeJob(place.folder, `echo ${index}; exit ${index % 7}`));
    const handles = await place.executor.submit(jobs);
    const ended = async () =>
      [...(await place.executor.status(handles)).values()].filter(({ state }) => state === "ended");
    await expect.poll(ended, { timeout: 120_000, interval: 100 }).toHaveLength(200);
    const statuses = await place.executor.status(handles);
    for (const [index, handle] of handles.entries()) {
      expect(statuses.get(handle.attempt)).toMatchObject({ exit: { code: index % 7 } });
      expect((await place.outputOf(handle)).text).toBe(`${index}\n`);
    }
  });

  test("a half-written or foreign record is not an end [F01] [F11]", async () => {
    const handle = await place.submit(["sleep", "200"]);
    await place.until(handle, "running");
    const directory = place.directoryOf(handle);
    const another = {
      attempt: "other",
      code: 0,
      signal: null,
      reason: "exited",
      oom_kills: null,
      memory_peak: null,
      gpu_memory_peak: null,
    };
    for (const content of [
      "",
      "{",
      "null\n",
      "[]\n",
      '{"code":0}\n',
      "\0\0\0\0",
      `${JSON.stringify({ ...another, duration: 1, started_at: 1, finished_at: 2 })}\n`,
    ]) {
      writeFileSync(directory.exit, content);
      writeFileSync(directory.heartbeat, content);
      for (let look = 0; look < 3; look += 1) {
        expect((await place.executor.status([handle])).get(handle.attempt)).toMatchObject({ state: "running" });
      }
    }
    rmSync(directory.exit);
    await place.executor.cancel([handle]);
    expect(await place.settled(handle)).toMatchObject(place.cancelled());
  });
}
