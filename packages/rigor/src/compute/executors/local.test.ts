import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import type { Handle } from "../executor.ts";
import { LocalExecutor } from "./local.ts";
import { executorSuite } from "./executor.suite.ts";
import { makeJob, untilExists, untilState } from "./executor.testing.ts";
import type { ProcessRecord } from "../../hosts/processes.ts";

executorSuite(
  "local, through the starter",
  (dataDirectory) => new LocalExecutor({ dataDirectory, launcher: "starter" }),
);
executorSuite("local, from Node", (dataDirectory) => new LocalExecutor({ dataDirectory, launcher: "spawn" }));

describe("this machine", () => {
  let folder: string;
  let executor: LocalExecutor;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rigor-local-"));
    executor = new LocalExecutor({ dataDirectory: folder });
  });

  afterEach(async () => {
    await executor.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  async function start(
    command: string,
  ): Promise<{ handle: Handle; directory: AttemptDirectory; record: ProcessRecord }> {
    const [handle] = await executor.submit([makeJob(folder, command)]);
    if (handle === undefined) throw new Error("no handle");
    const directory = AttemptDirectory.in(folder, handle.run, handle.attempt);
    await untilExists(join(directory.output, "up"));
    const record = directory.readProcess();
    if (record === null) throw new Error("no process record");
    return { handle, directory, record };
  }

  const endless = `echo $$ >"$RIGOR_OUTPUT/child"; echo up >"$RIGOR_OUTPUT/up"; while :; do sleep 0.1; done`;

  function isRunning(pid: number): boolean {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  }

  test("a job whose script was killed is gone, and nothing of it lives on [F16] [F41] [job.process-group]", async () => {
    const { handle, directory, record } = await start(endless);
    const child = Number(readFileSync(join(directory.output, "child"), "utf8"));
    process.kill(record.pid, "SIGKILL");
    const status = await untilState(executor, handle, "gone");
    expect(status).toEqual({
      state: "gone",
      withdrawn: false,
      beat_at: expect.any(Number),
      category: "node-failure",
      evidence: `Process ${record.pid} died without a record of its end.`,
    });
    await expect.poll(() => isRunning(child)).toBe(false);
  });

  test("a process that got a dead job's pid is neither taken for it nor killed [F11] [F16]", async () => {
    const { handle, directory, record } = await start(endless);
    process.kill(-record.pid, "SIGKILL");
    const other = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
    await executor.close();
    executor = new LocalExecutor({ dataDirectory: folder });
    writeFileSync(directory.process, `${JSON.stringify({ ...record, pid: other.pid })}\n`);
    await executor.cancel([handle]);
    expect((await executor.status([handle])).get(handle.attempt)).toMatchObject({ state: "gone" });
    await sleep(100);
    expect(isRunning(other.pid ?? 0)).toBe(true);
    other.kill("SIGKILL");
  });

  test("a record of an earlier boot is that of a dead process; another machine's proves nothing [F11]", async () => {
    const { handle, directory, record } = await start(endless);
    process.kill(-record.pid, "SIGKILL");
    for (const [host, state] of [
      [record.host, "gone"],
      ["another-machine", "running"],
    ] as const) {
      await executor.close();
      executor = new LocalExecutor({ dataDirectory: folder });
      writeFileSync(directory.process, `${JSON.stringify({ ...record, host, boot: "another-boot" })}\n`);
      expect((await executor.status([handle])).get(handle.attempt)).toMatchObject({ state });
    }
  });

  test.each(["", "{", '{"host":', "null\n", '{"pid":1}\n'])(
    "an unreadable process record (%j) ends nothing while the script runs [F01] [F11]",
    async (content) => {
      const { handle, directory, record } = await start(endless);
      await executor.close();
      executor = new LocalExecutor({ dataDirectory: folder });
      writeFileSync(directory.process, content);
      expect((await executor.status([handle])).get(handle.attempt)).toMatchObject({ state: "running" });
      process.kill(-record.pid, "SIGKILL");
      expect(await untilState(executor, handle, "gone")).toMatchObject({ withdrawn: false });
    },
  );

  /** The starter of the executor under test: those of closed ones live on for a moment. */
  function starterPid(): number {
    const root = AttemptDirectory.root(realpathSync(folder));
    const found = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isStarterIn(name, root));
    // What it has just forked looks like it, and is no leader of a session.
    const leaders = found.map(Number).filter((pid) => sessionOf(pid) === pid);
    expect(leaders).toHaveLength(1);
    return Number(leaders[0]);
  }

  /** Null for a process that has ended meanwhile. */
  function sessionOf(pid: number): number | null {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return Number(fields[3]);
    } catch {
      return null;
    }
  }

  function isStarterIn(pid: string, root: string): boolean {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return line.includes("rigor-starter") && readlinkSync(`/proc/${pid}/cwd`) === root;
    } catch {
      return false;
    }
  }

  test("the starter's death loses no job and starts none twice [F10]", async () => {
    const jobs = Array.from({ length: 40 }, () => makeJob(folder, `echo "$RIGOR_ATTEMPT" >>'${join(folder, "ran")}'`));
    const submitting = executor.submit(jobs);
    process.kill(starterPid(), "SIGKILL");
    for (const handle of await submitting) await untilState(executor, handle, "ended");
    const ran = readFileSync(join(folder, "ran"), "utf8").trim().split("\n");
    expect(ran.toSorted()).toEqual(jobs.map((job) => job.attempt).toSorted());
  });

  test("a listener hears of an end that nobody asks for", async () => {
    const heard = new Promise<string>((resolve) => executor.onChange(resolve));
    const [handle] = await executor.submit([makeJob(folder, ["true"])]);
    expect(await heard).toBe(handle?.attempt);
  });

  test("ended jobs leave no zombies of the starter [F17]", async () => {
    const handles = await executor.submit(Array.from({ length: 20 }, () => makeJob(folder, ["true"])));
    for (const handle of handles) await untilState(executor, handle, "ended");
    const parent = starterPid();
    const children = () => execFileSync("ps", ["-axo", "ppid="], { encoding: "utf8" }).split("\n").map(Number);
    await expect.poll(() => children().filter((each) => each === parent)).toEqual([]);
  });

  test("a job does not see this process's secrets", async () => {
    process.env["RIGOR_TEST_SECRET"] = "secret";
    await executor.close();
    executor = new LocalExecutor({ dataDirectory: folder });
    const { handle, directory } = await start(`env; echo up >"$RIGOR_OUTPUT/up"`);
    await untilState(executor, handle, "ended");
    delete process.env["RIGOR_TEST_SECRET"];
    expect(readFileSync(directory.stdout, "utf8")).not.toContain("secret");
    expect(readFileSync(directory.stdout, "utf8")).toContain("PATH=");
  });

  test("a data directory that cannot be made gives one clear message [storage.read-only]", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(() => new LocalExecutor({ dataDirectory: join(file, "data") })).toThrow(
      /^Cannot write .*not a directory\.$/,
    );
    expect(() => new LocalExecutor({ dataDirectory: "/sys/rigor" })).toThrow(/^Cannot write .*(?:denied|read-only)\.$/);
  });
});
