import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import type { JobSpec } from "../attempt/job.ts";
import type { Handle } from "../executor.ts";
import { pidOf } from "../attempt/job-script.testing.ts";
import { makeJob, untilExists, untilState } from "./executor.testing.ts";
import { LocalExecutor } from "./local.ts";
import { canUnshare } from "../attempt/unshare.testing.ts";

/** Leaves the group and session of its job, and writes its number where the test finds it. */
const setsid = `setsid sh -c 'echo $$ >"$RIGOR_OUTPUT/pid.next"; mv "$RIGOR_OUTPUT/pid.next" "$RIGOR_OUTPUT/pid"; exec sleep 1000' &`;
const begun = `while [ ! -e "$RIGOR_OUTPUT/pid" ]; do sleep 0.02; done`;

const doubleFork = `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        path = os.environ["RIGOR_OUTPUT"] + "/pid"
        with open(path + ".next", "w") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".next", path)
        for descriptor in range(3):
            os.close(descriptor)
        time.sleep(1000)
    os._exit(0)
os.wait()
while not os.path.exists(os.environ["RIGOR_OUTPUT"] + "/pid"):
    time.sleep(0.02)
`;

describe("a process that has left its job's session", () => {
  let folder: string;
  let executor: LocalExecutor;
  let reported: (readonly [attempt: string, pid: number])[];
  const others: number[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rigor left $behind "));
    reported = [];
    executor = makeExecutor();
  });

  afterEach(async () => {
    await executor.close();
    for (const pid of others.splice(0)) if (isRunning(pid)) process.kill(pid, "SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  function makeExecutor(): LocalExecutor {
    return new LocalExecutor({ dataDirectory: folder, onLeftBehind: (...one) => reported.push(one) });
  }

  async function start(command: JobSpec["command"], more: Partial<JobSpec> = {}) {
    const [handle] = await executor.submit([makeJob(folder, command, more)]);
    if (handle === undefined) throw new Error("no handle");
    const directory = AttemptDirectory.in(folder, handle.run, handle.attempt);
    const path = join(directory.output, "pid");
    await untilExists(path);
    const pid = Number(readFileSync(path, "utf8"));
    others.push(pid);
    return { handle, directory, pid };
  }

  async function expectEnded({ handle, pid }: { handle: Handle; pid: number }): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (isRunning(pid)) {
      if (performance.now() > deadline) throw new Error(`process ${pid} lives on`);
      await sleep(20);
    }
    expect(reported).toEqual([[handle.attempt, pid]]);
  }

  test("is ended when its run has ended right before the executor closes [job.left-behind]", async () => {
    const job = await start(`${setsid} ${begun}`);
    await untilState(executor, job.handle, "ended");
    await executor.close();
    await expectEnded(job);
  });

  test("is ended after its run has ended [job.left-behind]", async () => {
    const job = await start(`${setsid} ${begun}`);
    expect((await untilState(executor, job.handle, "ended")).exit.code).toBe(0);
    await expectEnded(job);
  });

  test("is ended also when Python forked it twice [job.left-behind]", async () => {
    const job = await start(["python3", "-c", doubleFork]);
    expect((await untilState(executor, job.handle, "ended")).exit.code).toBe(0);
    await expectEnded(job);
  });

  test("lives as long as its run does [job.left-behind]", async () => {
    const job = await start(`${setsid} ${begun}; sleep 200`);
    const other = await start(`${setsid} ${begun}`);
    await untilState(executor, other.handle, "ended");
    await expectEnded(other);
    expect(isRunning(job.pid)).toBe(true);
  });

  test("is ended when its run is cancelled [job.left-behind] [job.cancel]", async () => {
    const job = await start(`${setsid} ${begun}; sleep 200`);
    await executor.cancel([job.handle]);
    expect((await untilState(executor, job.handle, "ended")).exit.reason).toBe("cancelled");
    await expectEnded(job);
  });

  test("is ended when its run has passed its time limit [job.left-behind] [job.time-limit]", async () => {
    const job = await start(`${setsid} ${begun}; sleep 200`, { time_limit: 1 });
    expect((await untilState(executor, job.handle, "ended")).exit.reason).toBe("time-limit");
    await expectEnded(job);
  });

  test("is ended when its job has died [job.left-behind] [F16]", async () => {
    const job = await start(`${setsid} ${begun}; sleep 200`);
    process.kill(-pidOf(job.directory), "SIGKILL");
    await untilState(executor, job.handle, "gone");
    await expectEnded(job);
  });

  test("is ended when the directory of its attempt was removed [job.left-behind]", async () => {
    const job = await start(`${setsid} ${begun}; sleep 200`);
    await executor.close();
    executor = makeExecutor();
    rmSync(job.directory.path, { recursive: true, maxRetries: 10 });
    expect((await executor.status([job.handle])).get(job.handle.attempt)).toEqual({ state: "unclaimed" });
    const deadline = performance.now() + 60_000;
    while (isRunning(job.pid) && performance.now() < deadline) await sleep(20);
    expect(isRunning(job.pid)).toBe(false);
  });

  test("is ended by the next executor when the first had no time to [job.left-behind] [job.survives-daemon]", async () => {
    const go = join(folder, "go");
    const job = await start(`${setsid} ${begun}; until [ -e "$GO" ]; do sleep 0.02; done`, { environment: { GO: go } });
    await executor.close();
    writeFileSync(go, "");
    await untilExists(job.directory.exit);
    expect(isRunning(job.pid)).toBe(true);
    executor = makeExecutor();
    await expectEnded(job);
  });

  test("is left alone when it belongs to another folder of attempts, to no attempt, or only looks like one of ours [job.left-behind]", async () => {
    const ended = await start(`${setsid} ${begun}`);
    const other = join(folder, "other", "attempts");
    mkdirSync(other, { recursive: true });
    const path = ended.directory.path;
    const values = [path.replace(folder, join(folder, "other")), `${path}0`, `${path}/output`, "", "/"];
    const strangers = values.map((value) => sleeper({ RIGOR_JOB: value }));
    strangers.push(sleeper({ NO_RIGOR_JOB: path }), sleeper({ OTHER: `RIGOR_JOB=${path}` }));
    // `attempt-10` has not ended, although `attempt-1` has.
    mkdirSync(`${path}0`);
    await untilState(executor, ended.handle, "ended");
    await expectEnded(ended);
    await sleep(300);
    expect(strangers.filter((pid) => !isRunning(pid))).toEqual([]);
  });

  test.skipIf(!canUnshare)(
    "is left alone when the same path is another folder for it, as in a container [job.left-behind]",
    async () => {
      const ended = await start(`${setsid} ${begun}`);
      const mark = join(folder, "mounted");
      const inside = spawn(
        "unshare",
        [
          "-rm",
          "sh",
          "-c",
          'mount -t tmpfs none "$1" && mkdir -p "$RIGOR_JOB" && touch "$2" && exec sleep 1000',
          "sh",
        ].concat([AttemptDirectory.root(folder), mark]),
        { env: { ...process.env, RIGOR_JOB: ended.directory.path }, stdio: "ignore" },
      );
      others.push(inside.pid ?? 0);
      await untilExists(mark);
      await untilState(executor, ended.handle, "ended");
      await expectEnded(ended);
      await sleep(300);
      expect(isRunning(inside.pid ?? 0)).toBe(true);
    },
  );

  function sleeper(variables: Record<string, string>): number {
    const child = spawn("sleep", ["1000"], { env: { PATH: process.env["PATH"], ...variables }, stdio: "ignore" });
    const pid = child.pid ?? 0;
    others.push(pid);
    return pid;
  }
});

function isRunning(pid: number): boolean {
  const path = `/proc/${pid}/status`;
  try {
    return existsSync(path) && !/^State:\s+[ZX]/m.test(readFileSync(path, "utf8"));
  } catch {
    return false;
  }
}
