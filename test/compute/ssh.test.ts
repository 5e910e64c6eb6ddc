import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { SshExecutor } from "../../packages/rigor/src/compute/executors/ssh.ts";
import { makeJob, untilState } from "../../packages/rigor/src/compute/executors/executor.testing.ts";
import { AttemptDirectory } from "../../packages/rigor/src/compute/attempt/attempt-directory.ts";
import { classifyFailure } from "../../packages/rigor/src/compute/failures/failures.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxShell, startSshHosts, type SshLab } from "../clusters/ssh.ts";

let lab: SshLab;
const shells: SshShell[] = [];

beforeAll(async () => {
  lab = await startSshHosts({
    plain: {},
    noisy: { banner: "Authorized users only.", noise: "Welcome to noisy!\nLast login: today" },
    busybox: { shell: busyboxShell },
    dash: { shell: "/bin/dash", without: ["setsid"] },
    slow: { shellDelay: 1 },
  });
});

afterAll(async () => {
  await Promise.all(shells.map((shell) => shell.close()));
  await lab.stop();
});

function shellOf(host: string): SshShell {
  const shell = new SshShell({ host, config: lab.config });
  shells.push(shell);
  return shell;
}

describe.each(["plain", "noisy", "busybox", "dash", "slow"])("the shell of a host that is %s", (name) => {
  test("gives a script's answer and nothing else [F18]", async () => {
    const script = `cat; printf '%s' 'it'\\''s "$HOME" !\\ é'; printf 'to stderr' >&2; sleep 100 & exit 3`;
    const answer = await shellOf(name).run(script, { input: Buffer.from("a\0b\n") });
    expect(answer.stdout.toString()).toBe(`a\0b\nit's "$HOME" !\\ é`);
    expect(answer.status).toBe(3);
  });
});

test("a folder for temporary files whose path has no room for a socket is no obstacle [compute.ssh-runs]", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rigor-a-folder-for-temporary-files-whose-path-is-long-"));
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  onTestFinished(() => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(folder, { recursive: true, maxRetries: 10 });
  });
  const shell = new SshShell({ host: "plain", config: lab.config });
  expect((await shell.run("echo here")).stdout.toString()).toBe("here\n");
  expect(readdirSync(folder)).toEqual([]);
  await shell.close();
});

describe("a connection that fails", () => {
  test("in the middle of an answer gives none, and the next one works [F11]", async () => {
    const shell = shellOf("plain");
    const script = "echo a part; echo >/tmp/begun; sleep 20; echo the rest";
    const answer = shell.run(script).catch((error: unknown) => error);
    const look = "[ -e /tmp/begun ] && echo yes || :";
    await expect.poll(() => lab.host("plain").run(look)).toBe("yes\n");
    expect(await lab.host("plain").dropConnections()).toBeGreaterThan(0);
    expect(await answer).toMatchObject({ code: "unreachable" });
    expect((await shell.run("echo again")).stdout.toString()).toBe("again\n");
  });

  test("by silence is given up after its time [F11]", async () => {
    const shell = shellOf("plain");
    await shell.run("true");
    await lab.host("plain").freeze();
    await expect(shell.run("true", { timeout: 3 })).rejects.toThrow("no answer within 3 s");
    await lab.host("plain").thaw();
    expect((await shell.run("echo again")).stdout.toString()).toBe("again\n");
  });

  test("because nobody listens names ssh's own words", async () => {
    const shell = new SshShell({ host: "nowhere.invalid", config: lab.config });
    await expect(shell.run("true")).rejects.toMatchObject({ code: "unreachable" });
  });
});

test("what does not fit on this machine's disk is said, and comes when there is room [compute.full-disk]", async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), "rigor-small-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", dataDirectory]);
  const executor = new SshExecutor({ shell: shellOf("plain"), directory: "~/small", dataDirectory, excludedGpus: [] });
  try {
    const command = `head -c 5000000 /dev/zero >"$RIGOR_OUTPUT/large"`;
    const [handle] = await executor.submit([makeJob("/tmp", command, { outputs: ["large"] })]);
    if (handle === undefined) throw new Error("nothing was submitted");
    const look = () =>
      executor.status([handle]).then(
        () => null,
        (error: unknown) => error,
      );
    await expect.poll(look).toMatchObject({
      code: "storage",
      message: `Cannot write ${dataDirectory}: the disk is full.`,
    });
    execFileSync("mount", ["-o", "remount,size=20m", dataDirectory]);
    const state = () =>
      executor.status([handle]).then(
        (found) => found.get(handle.attempt)?.state,
        () => "unknown",
      );
    await expect.poll(state).toBe("ended");
    const files = readdirSync(dataDirectory, { recursive: true, encoding: "utf8" });
    const file = files.find((name) => name.endsWith("/large"));
    expect(statSync(join(dataDirectory, file ?? "")).size).toBe(5_000_000);
  } finally {
    await executor.close();
    execFileSync("umount", [dataDirectory]);
    rmSync(dataDirectory, { recursive: true, force: true, maxRetries: 10 });
  }
});

test("a host's disk that is full is named with its path and what to do, and a job starts when there is room [F21]", async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), "rigor-host-full-"));
  const host = lab.host("plain");
  await host.run("mkdir -p /tmp/full && mount -t tmpfs -o size=1m none /tmp/full");
  const executor = new SshExecutor({
    shell: shellOf("plain"),
    directory: "/tmp/full",
    dataDirectory,
    excludedGpus: [],
  });
  try {
    await executor.attemptsRoot();
    await host.run("head -c 2000000 /dev/zero >/tmp/full/fill || true");
    const job = makeJob("/tmp", "true");
    await expect(executor.submit([job])).rejects.toMatchObject({
      code: "storage",
      message: expect.stringMatching(/^plain failed at writing attempts: .*No space left on device/s) as string,
      next: expect.stringContaining("df -h '/tmp/full/attempts'; df -i '/tmp/full/attempts'; quota -s.") as string,
    });
    await host.run("rm /tmp/full/fill");
    const [handle] = await executor.submit([job]);
    if (handle === undefined) throw new Error("nothing was submitted");
    await untilState(executor, handle, "ended");
    const filling = `head -c 2000000 /dev/zero >"$RIGOR_OUTPUT/large"`;
    const filler = makeJob("/tmp", filling);
    const [full] = await executor.submit([filler]);
    if (full === undefined) throw new Error("nothing was submitted");
    const { exit } = await untilState(executor, full, "ended");
    expect(exit).toMatchObject({ code: 1, reason: "exited" });
    const { stderr } = AttemptDirectory.in(dataDirectory, filler.run, filler.attempt);
    const failure = classifyFailure({ exit, stderrTail: readFileSync(stderr, "utf8"), stdoutTail: "", result: null });
    expect(failure.category).toBe("disk-full");
  } finally {
    await executor.close();
    await host.run("umount --lazy /tmp/full");
    rmSync(dataDirectory, { recursive: true, force: true, maxRetries: 10 });
  }
});

describe("a job on a host", () => {
  test.each(["plain", "noisy", "busybox", "dash"])(
    "on %s runs, outlives its connection, and what it wrote arrives [F18]",
    async (name) => {
      const dataDirectory = mkdtempSync(join(tmpdir(), "rigor ssh 'x' "));
      const shell = shellOf(name);
      const executor = new SshExecutor({ shell, directory: "~/rigor lab", dataDirectory, excludedGpus: [] });
      try {
        const command = `echo hello; until [ -e /tmp/go-on ]; do sleep 0.1; done; head -c 3000000 /dev/zero >"$RIGOR_OUTPUT/large"; echo '{"metrics":{"x":1}}' >"$RIGOR_OUTPUT/result.json"`;
        const job = makeJob("/tmp", command, { outputs: ["result.json", "large"] });
        const [handle] = await executor.submit([job]);
        if (handle === undefined) throw new Error("nothing was submitted");
        await untilState(executor, handle, "running");
        await lab.host(name).dropConnections();
        await lab.host(name).run("touch /tmp/go-on");
        const { exit } = await untilEnded(executor, handle);
        expect(exit).toMatchObject({ code: 0, reason: "exited" });
        const directory = join(dataDirectory, "attempts", job.run.slice(0, 2), job.attempt);
        expect(readFileSync(join(directory, "stdout.log"), "utf8")).toBe("hello\n");
        expect(readFileSync(join(directory, "output/large")).length).toBe(3_000_000);
        expect(JSON.parse(readFileSync(join(directory, "output/result.json"), "utf8"))).toEqual({ metrics: { x: 1 } });
      } finally {
        await executor.close();
        rmSync(dataDirectory, { recursive: true, maxRetries: 10 });
      }
    },
  );
});

describe.each(["plain", "busybox"])("a process on %s that has left its job's session", (name) => {
  test("is ended after its attempt, and no other is [job.left-behind]", async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), "rigor-ssh-"));
    const executor = new SshExecutor({
      shell: shellOf(name),
      directory: "~/rigor lab",
      dataDirectory,
      excludedGpus: [],
    });
    const left = async () => (await lab.host(name).run("pgrep -f '^sleep 10[01][0-9]' || true")).split("\n").length - 1;
    try {
      const jobs = ["sleep 1", "sleep 2000", "sleep 2000"].map((rest, index) => {
        const first = `setsid sleep 100${index} >/dev/null 2>&1 &`;
        return makeJob("/tmp", `${first} env -u RIGOR_JOB setsid sleep 101${index} >/dev/null 2>&1 & ${rest}`);
      });
      const [ending, cancelled, going] = await executor.submit(jobs);
      if (ending === undefined || cancelled === undefined || going === undefined)
        throw new Error("nothing was submitted");
      await untilState(executor, cancelled, "running");
      await untilEnded(executor, ending);
      await expect.poll(left).toBe(5);
      await executor.cancel([cancelled]);
      await untilEnded(executor, cancelled);
      await expect.poll(left).toBe(4);
      await executor.cancel([going]);
      await untilEnded(executor, going);
      // Those that no longer say whose they are remain.
      await expect.poll(left).toBe(3);
      await lab.host(name).run("pkill -f '^sleep 101[0-9]'");
    } finally {
      await executor.close();
      rmSync(dataDirectory, { recursive: true, maxRetries: 10 });
    }
  });
});

describe("a job that died between its claim and the record of its process", () => {
  test("is lost, and never starts [chaos.ssh]", async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), "rigor-ssh-"));
    const executor = new SshExecutor({
      shell: shellOf("plain"),
      directory: "~/rigor",
      dataDirectory,
      excludedGpus: [],
    });
    try {
      const job = makeJob("/tmp", "true");
      const handle = { attempt: job.attempt, run: job.run };
      const path = `${await executor.attemptsRoot()}/${job.run.slice(0, 2)}/${job.attempt}`;
      await lab.host("plain").run('mkdir -p "$1" && echo >"$1/claim"', path);
      const gone = await untilState(executor, handle, "gone", 40);
      expect(gone).toMatchObject({
        category: "node-failure",
        evidence: expect.stringContaining("before it could start"),
      });
      expect(await lab.host("plain").run('ls "$1"', path)).toBe("cancel\nclaim\n");
    } finally {
      await executor.close();
      rmSync(dataDirectory, { recursive: true, maxRetries: 10 });
    }
  });
});

/** Asks again when the connection was just lost: nothing is concluded from that. */
async function untilEnded(executor: SshExecutor, handle: Parameters<typeof untilState>[1]) {
  for (;;) {
    try {
      return await untilState(executor, handle, "ended");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "unreachable")) throw error;
    }
  }
}
