import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "../attempt-directory.ts";
import { parseMetrics } from "../collect.ts";
import type { JobSpec } from "../job.ts";
import type { Executor, Handle, JobStatus, Offsets } from "./executor.ts";

export const fromTheStart: Offsets = { stdout: 0, stderr: 0, metrics: 0 };

let serial = 0;

/** A job that the tests may change in what matters to them. */
export function makeJob(workingDirectory: string, command: JobSpec["command"], more: Partial<JobSpec> = {}): JobSpec {
  serial += 1;
  return {
    attempt: `attempt-${process.pid}-${serial}`,
    run: `${serial % 16}0-run-${serial}`,
    command,
    working_directory: workingDirectory,
    environment: {},
    parameters: {},
    time_limit: 60,
    grace: 1,
    heartbeat: 1,
    ...more,
  };
}

/** Polls a job until a state is reached; shows the last status when it is not. */
export async function untilState<S extends JobStatus["state"]>(
  executor: Executor,
  handle: Handle,
  state: S,
  seconds = 20,
): Promise<Extract<JobStatus, { state: S }>> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const status = (await executor.status([handle])).get(handle.attempt);
    if (isState(status, state)) return status;
    if (performance.now() > deadline || status?.state === "ended" || status?.state === "gone") {
      throw new Error(`${handle.attempt} is not ${state} but ${JSON.stringify(status)}`);
    }
    await sleep(10);
  }
}

function isState<S extends JobStatus["state"]>(
  status: JobStatus | undefined,
  state: S,
): status is Extract<JobStatus, { state: S }> {
  return status?.state === state;
}

export async function untilExists(path: string, seconds = 20): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!existsSync(path)) {
    if (performance.now() > deadline) throw new Error(`${path} did not appear`);
    await sleep(10);
  }
}

/**
 * What every executor must do, whatever machine it reaches.
 *
 * @param make an executor on a data directory; a second one on the same directory stands for a restarted daemon
 */
export function executorSuite(name: string, make: (dataDirectory: string) => Executor): void {
  describe(`${name} as an executor`, { timeout: 60_000 }, () => {
    let folder: string;
    let executor: Executor;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "rigor executor '$x' "));
      executor = make(folder);
    });

    afterEach(async () => {
      await executor.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    });

    async function submit(command: JobSpec["command"], more: Partial<JobSpec> = {}): Promise<Handle> {
      const [handle] = await executor.submit([makeJob(folder, command, more)]);
      if (handle === undefined) throw new Error("no handle");
      return handle;
    }

    async function outputOf(handle: Handle) {
      const found = (await executor.collect([{ handle, offsets: fromTheStart }])).get(handle.attempt);
      if (found === undefined) throw new Error("nothing was collected");
      return { ...found, text: Buffer.from(found.stdout).toString(), errors: Buffer.from(found.stderr).toString() };
    }

    test("success is recorded with its times", async () => {
      const before = Date.now() / 1000;
      const handle = await submit(["sh", "-c", "echo out; echo err >&2; sleep 0.3"]);
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit).toMatchObject({ attempt: handle.attempt, code: 0, signal: null, reason: "exited" });
      expect(exit.duration).toBeGreaterThan(0.25);
      expect(exit.duration).toBeLessThan(20);
      expect(exit.finished_at - exit.started_at).toBeCloseTo(exit.duration, 1);
      expect(Math.abs(exit.started_at - before)).toBeLessThan(10);
      expect(await outputOf(handle)).toMatchObject({ text: "out\n", errors: "err\n" });
    });

    test("a status other than zero is recorded [F41]", async () => {
      const { exit } = await untilState(executor, await submit("exit 3"), "ended");
      expect(exit).toMatchObject({ code: 3, signal: null, reason: "exited" });
    });

    test("a status above all signals is a status [F41]", async () => {
      const { exit } = await untilState(executor, await submit("exit 255"), "ended");
      expect(exit).toMatchObject({ code: 255, signal: null, reason: "exited" });
    });

    test("death by a signal is recorded with its name [F41]", async () => {
      const { exit } = await untilState(executor, await submit(["sh", "-c", "kill -KILL $$"]), "ended");
      expect(exit).toMatchObject({ signal: "KILL", reason: "signal" });
    });

    test("a command that does not exist fails and is named [job.missing-command]", async () => {
      const handle = await submit(["no-such-program-here", "x"]);
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit.code).toBe(127);
      expect((await outputOf(handle)).errors).toContain("no-such-program-here");
    });

    test("a working directory that does not exist fails and is named [F21]", async () => {
      const handle = await submit(["true"], { working_directory: join(folder, "nowhere") });
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit.code).not.toBe(0);
      expect((await outputOf(handle)).errors).toContain("nowhere");
    });

    test("a job that passes its time limit is ended, its children too [job.time-limit] [job.process-group]", async () => {
      const marker = join(folder, "child");
      const command = `trap '' TERM; (trap '' TERM; while :; do sleep 0.1; date >'${quoted(marker)}'; done) & wait; sleep 100`;
      const handle = await submit(command, { time_limit: 1 });
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit.reason).toBe("time-limit");
      expect(exit.duration).toBeGreaterThan(0.9);
      expect(exit.duration).toBeLessThan(15);
      await expectQuiet(marker);
    });

    test("what a job leaves in its group is ended with it [job.process-group]", async () => {
      const marker = join(folder, "left");
      const command = `(trap '' TERM; while :; do date >'${quoted(marker)}'; sleep 0.1; done) & while [ ! -e '${quoted(marker)}' ]; do sleep 0.05; done`;
      const { exit } = await untilState(executor, await submit(command), "ended");
      expect(exit.code).toBe(0);
      await expectQuiet(marker);
    });

    test("a running job is cancelled, and may tidy up first [job.cancel]", async () => {
      const handle = await submit(
        `trap 'echo tidied; exit 0' TERM; echo up >"$RIGOR_OUTPUT/up"; while :; do sleep 0.1; done`,
      );
      await untilExists(join(directoryOf(handle).output, "up"));
      await executor.cancel([handle]);
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit).toMatchObject({ reason: "cancelled", code: 0 });
      expect((await outputOf(handle)).text).toBe("tidied\n");
    });

    test("a job that ignores the request to end is killed after its grace [job.cancel]", async () => {
      const handle = await submit([
        "sh",
        "-c",
        `trap '' TERM; echo up >"$RIGOR_OUTPUT/up"; while :; do sleep 0.1; done`,
      ]);
      await untilExists(join(directoryOf(handle).output, "up"));
      await executor.cancel([handle]);
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit).toMatchObject({ reason: "cancelled", signal: "KILL" });
    });

    test("a job that is cancelled at once never runs, or ends as cancelled [job.cancel]", async () => {
      const handles = await executor.submit(Array.from({ length: 20 }, () => makeJob(folder, ["sleep", "50"])));
      await executor.cancel(handles);
      for (const handle of handles) {
        const status = await settled(handle);
        if (status.state === "gone") expect(status.withdrawn).toBe(true);
        else expect(status.exit.reason).toBe("cancelled");
      }
    });

    test("output larger than 10 MB neither blocks the job nor is lost [F18] [job.logs-whole]", async () => {
      const program = `const b = Buffer.alloc(1 << 20, "x"); for (let i = 0; i < 12; i++) require("fs").writeSync(1, b);`;
      const handle = await submit([process.execPath, "-e", program]);
      const { exit } = await untilState(executor, handle, "ended");
      expect(exit.code).toBe(0);
      let size = 0;
      for (let offsets = fromTheStart; ;) {
        const found = (await executor.collect([{ handle, offsets }], 1_000_000)).get(handle.attempt);
        if (found === undefined || found.stdout.length === 0) break;
        expect(found.stdout.length).toBeLessThanOrEqual(1_000_000);
        size += found.stdout.length;
        ({ offsets } = found);
      }
      expect(size).toBe(12 * 1024 * 1024);
    });

    test("binary output arrives byte by byte [job.logs-whole]", async () => {
      const program = `process.stdout.write(Buffer.from(Array.from({length: 256}, (_, i) => i)))`;
      const handle = await submit([process.execPath, "-e", program]);
      await untilState(executor, handle, "ended");
      expect([...(await outputOf(handle)).stdout]).toEqual(Array.from({ length: 256 }, (_, index) => index));
    });

    test("logs and metrics are collected while the job runs [job.logs-whole]", async () => {
      const handle = await submit(
        `echo one; echo '{"step":1,"loss":0.5}' >"$RIGOR_OUTPUT/metrics.jsonl"; printf '{"st' >>"$RIGOR_OUTPUT/metrics.jsonl"; echo up >"$RIGOR_OUTPUT/up"; sleep 60`,
      );
      await untilExists(join(directoryOf(handle).output, "up"));
      const first = await outputOf(handle);
      expect(first.text).toBe("one\n");
      expect(parseMetrics(first.metrics, 0).points).toMatchObject([{ step: 1, name: "loss", value: 0.5 }]);
      expect(first.offsets.metrics).toBe(first.metrics.length);
      await executor.cancel([handle]);
      await untilState(executor, handle, "ended");
    });

    test("arguments, variables and parameters reach the command unchanged [file.arguments-exact]", async () => {
      const strange = [
        "a b",
        "it's",
        '"q"',
        "$HOME",
        "`id`",
        "line\nbreak",
        "\ttab",
        "*",
        "",
        "\\",
        "é 漢 🎲",
        "-n",
        "!x",
        "\r",
        "a\\nb",
      ];
      const program = `process.stdout.write(JSON.stringify({ arguments: process.argv.slice(1), variable: process.env.STRANGE, parameters: JSON.parse(require("fs").readFileSync(process.env.RIGOR_PARAMETERS)), names: [process.env.RIGOR_ATTEMPT, process.env.RIGOR_RUN_ID], cwd: process.cwd() }))`;
      const place = join(folder, "it's a $place\n");
      mkdirSync(place);
      const handle = await submit([process.execPath, "-e", program, "--", ...strange], {
        environment: { STRANGE: strange.join("") },
        parameters: { strange },
        working_directory: place,
      });
      await untilState(executor, handle, "ended");
      expect(JSON.parse((await outputOf(handle)).text)).toEqual({
        arguments: strange,
        variable: strange.join(""),
        parameters: { strange },
        names: [handle.attempt, handle.run],
        cwd: place,
      });
    });

    test("a NUL character is refused before anything is started [file.arguments-exact]", async () => {
      await expect(submit(["echo", "a\0b"])).rejects.toMatchObject({ code: "file-invalid" });
    });

    test("a job has nothing on its standard input", async () => {
      const handle = await submit(["cat"]);
      expect((await untilState(executor, handle, "ended")).exit.code).toBe(0);
    });

    test("a secret reaches the command exactly, and stays in no file of the attempt [job.secrets]", async () => {
      const secret = "tok'en $HOME \n é";
      const job = makeJob(folder, `printf %s "$TOKEN" | wc -c >"$RIGOR_OUTPUT/length"`, { secrets: { TOKEN: secret } });
      const [handle] = await executor.submit([job]);
      if (handle === undefined) throw new Error("no handle");
      await untilState(executor, handle, "ended");
      const { path, output } = AttemptDirectory.in(folder, job.run, job.attempt);
      expect(Number(readFileSync(join(output, "length"), "utf8"))).toBe(Buffer.byteLength(secret));
      for (const name of readdirSync(path, { withFileTypes: true })) {
        if (name.isFile()) expect(readFileSync(join(path, name.name), "utf8"), name.name).not.toContain("tok'");
      }
    });

    test("a crash between submission and its record does not run a job twice [F10]", async () => {
      const job = makeJob(folder, `echo ran >>"$RIGOR_OUTPUT/../../../../count"; sleep 0.3`);
      await executor.submit([job]);
      await executor.close();
      executor = make(folder);
      const [handle] = await executor.submit([job]);
      if (handle === undefined) throw new Error("no handle");
      await untilState(executor, handle, "ended");
      await executor.submit([job]);
      await sleep(300);
      expect(readFileSync(join(folder, "count"), "utf8")).toBe("ran\n");
    });

    test("a job that was withdrawn never starts; one that has started cannot be withdrawn [F10]", async () => {
      const job = makeJob(folder, ["touch", join(folder, "started")]);
      const handle = { attempt: job.attempt, run: job.run, reference: "" };
      expect((await executor.status([handle])).get(job.attempt)).toEqual({ state: "unclaimed" });
      expect(await executor.withdraw(handle)).toBe(true);
      expect(await executor.withdraw(handle)).toBe(true);
      await executor.submit([job]);
      await sleep(300);
      expect(existsSync(join(folder, "started"))).toBe(false);
      expect((await executor.status([handle])).get(job.attempt)).toMatchObject({ state: "gone", withdrawn: true });

      const other = await submit(["sleep", "60"]);
      await untilState(executor, other, "running");
      expect(await executor.withdraw(other)).toBe(false);
      await executor.cancel([other]);
      await untilState(executor, other, "ended");
    });

    test("jobs go on without their executor, and the next one finds, follows and cancels them [job.survives-daemon]", async () => {
      const going = await submit(`sleep 0.5; echo done`);
      const endless = await submit(["sleep", "100"]);
      await untilState(executor, endless, "running");
      await executor.close();
      executor = make(folder);
      expect(await untilState(executor, endless, "running")).toMatchObject({ state: "running" });
      expect((await untilState(executor, going, "ended")).exit.code).toBe(0);
      expect((await outputOf(going)).text).toBe("done\n");
      await executor.cancel([endless]);
      expect((await untilState(executor, endless, "ended")).exit.reason).toBe("cancelled");
    });

    test("the time limit holds although nobody is there [job.time-limit] [job.survives-daemon]", async () => {
      const handle = await submit(["sleep", "100"], { time_limit: 2 });
      await executor.close();
      await untilExists(directoryOf(handle).exit);
      executor = make(folder);
      expect((await untilState(executor, handle, "ended")).exit.reason).toBe("time-limit");
    });

    test("200 jobs at once all end, each once, each with its own record [F09]", async () => {
      const jobs = Array.from({ length: 200 }, (_, index) => makeJob(folder, `echo ${index}; exit ${index % 7}`));
      const handles = await executor.submit(jobs);
      for (const [index, handle] of handles.entries()) {
        expect((await untilState(executor, handle, "ended", 40)).exit.code).toBe(index % 7);
        expect((await outputOf(handle)).text).toBe(`${index}\n`);
      }
    });

    test("a listener hears of the end", async () => {
      const heard = new Promise<string>((resolve) => executor.onChange(resolve));
      const handle = await submit(["true"]);
      expect(await heard).toBe(handle.attempt);
      expect((await untilState(executor, handle, "ended")).exit.code).toBe(0);
    });

    test("a half-written or foreign record is not an end [F01] [F11]", async () => {
      const handle = await submit(["sleep", "100"]);
      await untilState(executor, handle, "running");
      const directory = directoryOf(handle);
      for (const content of [
        "",
        "{",
        "null\n",
        "[]\n",
        '{"code":0}\n',
        "\0\0\0\0",
        '{"attempt":"other","code":0,"signal":null,"reason":"exited","oom_kills":null,"duration":1,"started_at":1,"finished_at":2}\n',
      ]) {
        writeFileSync(directory.exit, content);
        writeFileSync(directory.heartbeat, content);
        expect((await executor.status([handle])).get(handle.attempt)).toMatchObject({ state: "running" });
      }
      rmSync(directory.exit);
      await executor.cancel([handle]);
      await untilState(executor, handle, "ended");
    });

    test("a probe tells what the machine has", async () => {
      const found = await executor.probe();
      expect(found.cpus).toBeGreaterThanOrEqual(1);
      expect(found.memory_total).toBeGreaterThan(1024 * 1024);
      expect(found.disk_free).toBeGreaterThan(0);
      expect(found.host).not.toBe("");
    });

    function directoryOf(handle: Handle): AttemptDirectory {
      return AttemptDirectory.in(folder, handle.run, handle.attempt);
    }

    async function settled(handle: Handle): Promise<Extract<JobStatus, { state: "gone" | "ended" }>> {
      for (let turn = 0; turn < 1500; turn++) {
        const status = (await executor.status([handle])).get(handle.attempt);
        if (status?.state === "gone" || status?.state === "ended") return status;
        await sleep(10);
      }
      throw new Error(`${handle.attempt} did not end`);
    }

    /** A process that wrote to a file again and again does so no more. */
    async function expectQuiet(path: string): Promise<void> {
      await sleep(300);
      rmSync(path, { force: true });
      await sleep(500);
      expect(existsSync(path)).toBe(false);
    }
  });
}

/** A path within single quotes of a shell. */
function quoted(path: string): string {
  return path.replaceAll("'", `'\\''`);
}
