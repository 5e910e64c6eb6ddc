import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "./attempt-directory.ts";
import { makeJob, untilExists } from "./executors/executor.testing.ts";
import { quote } from "../hosts/quote.ts";
import { jobScript } from "./job-script.ts";
import type { JobPlace } from "./job-script.ts";
import type { JobSpec } from "./job.ts";
import { canUnshare } from "./unshare.testing.ts";

const template = join(import.meta.dirname, "../../templates/job.sh");

let folder: string;
let directory: AttemptDirectory;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-script-"));
  directory = new AttemptDirectory(join(folder, "it's a $place", "attempt-1"));
  directory.create();
  writeFileSync(directory.parameters, "{}\n");
});

afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function write(command: JobSpec["command"], job: Partial<JobSpec> = {}, place: Partial<JobPlace> = {}): void {
  const spec = makeJob(folder, command, { attempt: "attempt-1", ...job });
  const where = { directory: directory.path, finished_log: null, booted_at: null, kicked: false, ...place };
  directory.replace(directory.script, jobScript(spec, where));
}

const shells = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]] as const;

test.each(["sh", "dash", "bash"])("shellcheck finds nothing in the script and its template for %s", (dialect) => {
  write(["echo", "it's", "$x"], { environment: { A: "$(b) `c` 'd'" }, time_limit: null });
  for (const script of [directory.script, template]) {
    const found = spawnSync("shellcheck", ["-s", dialect, script], { encoding: "utf8" });
    expect(found.stdout).toBe("");
    expect(found.status).toBe(0);
  }
});

test("each value that the template has for an attempt is replaced by the attempt's own", () => {
  write(["true"]);
  const [, part = ""] = readFileSync(template, "utf8").split(/^#@ .*\n/m);
  const names = [...part.matchAll(/(?<=^| )[a-z_]+(?==)/gm)].map(([name]) => name);
  expect(names).toContain("attempt");
  const script = readFileSync(directory.script, "utf8");
  for (const name of names) expect(script.match(new RegExp(`^${name}=`, "gm")), name).toHaveLength(1);
  expect(script).not.toContain("#@");
});

describe.each(shells)("in %s %s", (shell, ...options) => {
  function run(): void {
    spawnSync("setsid", ["-w", shell, ...options.filter((one) => one !== undefined), directory.script]);
  }

  const execute = (job: string) =>
    spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script, job], { stdio: "ignore" });

  test("a run is recorded with process, times and heartbeat", async () => {
    write("echo out; echo err >&2; sleep 1.5; exit 4", {}, { finished_log: join(folder, "finished") });
    run();
    const exit = directory.readExit();
    expect(exit).toMatchObject({ attempt: "attempt-1", code: 4, signal: null, reason: "exited" });
    expect(exit?.duration).toBeGreaterThan(1.4);
    expect(Math.abs((exit?.finished_at ?? 0) - Date.now() / 1000)).toBeLessThan(5);
    expect(directory.readProcess()?.pid).toBeGreaterThan(1);
    expect(readFileSync(directory.stdout, "utf8")).toBe("out\n");
    expect(readFileSync(directory.stderr, "utf8")).toBe("err\n");
    expect(readFileSync(join(folder, "finished"), "utf8")).toBe("attempt-1\n");
    expect(existsSync(directory.heartbeat)).toBe(true);
    await sleep(50);
    expect(groupOf(directory)).toEqual([]);
  });

  test("a script that is started many times at once runs once [F10]", async () => {
    write(`echo ran >>"$RIGOR_OUTPUT/ran"; sleep 0.2`);
    const started = Array.from({ length: 10 }, () =>
      spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script], { stdio: "ignore" }),
    );
    await Promise.all(started.map((child) => new Promise((resolve) => child.once("exit", resolve))));
    expect(readFileSync(join(directory.output, "ran"), "utf8")).toBe("ran\n");
    run();
    expect(readFileSync(join(directory.output, "ran"), "utf8")).toBe("ran\n");
  });

  test("a time limit ends a run that ignores TERM [job.time-limit]", () => {
    write(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], { time_limit: 1, grace: 1 });
    run();
    expect(directory.readExit()).toMatchObject({ reason: "time-limit", signal: "KILL" });
    expect(directory.readExit()?.duration).toBeLessThan(10);
  });

  test("the warning signal reaches the run, which goes on [F16]", async () => {
    const program = `process.on("SIGUSR1", () => { console.log("checkpoint"); setTimeout(() => process.exit(0), 200); }); require("fs").writeFileSync(process.env.RIGOR_OUTPUT + "/up", ""); setInterval(() => {}, 1000)`;
    write(`${quote(process.execPath)} -e ${quote(program)}; echo after`);
    const child = spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script], {
      stdio: "ignore",
    });
    await untilExists(join(directory.output, "up"));
    process.kill(directory.readProcess()?.pid ?? 0, "SIGUSR1");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(readFileSync(directory.stdout, "utf8")).toBe("checkpoint\nafter\n");
    expect(directory.readExit()).toMatchObject({ code: 0, reason: "exited" });
  });

  test("a run that is terminated from outside says so, even when it ends with status 0 [F16] [F41]", async () => {
    write(`trap 'exit 0' TERM; touch "$RIGOR_OUTPUT/up"; while :; do sleep 0.1; done`);
    const child = spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script], {
      stdio: "ignore",
    });
    await untilExists(join(directory.output, "up"));
    process.kill(directory.readProcess()?.pid ?? 0, "SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(directory.readExit()).toMatchObject({ code: 0, reason: "terminated", signal: "TERM" });
  });

  test("a script that leads no session starts its own, and so ends nobody else", () => {
    write(["true"]);
    const outer = execFileSync(
      "sh",
      ["-c", `${[shell, ...options].join(" ")} ${quote(directory.script)}; sleep 0.5; echo alive`],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    expect(outer).toBe("alive\n");
    expect(directory.readExit()).toMatchObject({ code: 0 });
  });

  test("a kicked script watches itself from the first CONT on [job.time-limit]", async () => {
    write(["sleep", "100"], { time_limit: 2 }, { kicked: true });
    const child = spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script], {
      stdio: "ignore",
    });
    await untilExists(directory.stdout);
    await sleep(1300);
    expect(existsSync(directory.heartbeat)).toBe(false);
    process.kill(directory.readProcess()?.pid ?? 0, "SIGCONT");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(directory.readExit()).toMatchObject({ reason: "time-limit" });
    expect(directory.readExit()?.duration).toBeLessThan(4);
  });

  test("a job of a scheduler that others end has not ended: it is started again, and goes on [F16] [compute.requeue]", async () => {
    const job = { secrets: { TOKEN: "secret" }, environment: { RIGOR_RESUME: "/of/an/earlier/attempt" } };
    const command = `echo "$TOKEN $RIGOR_RESUME"; mkdir -p "$RIGOR_OUTPUT/checkpoints"; trap 'exit 0' TERM
      if [ -e "$RIGOR_OUTPUT/checkpoints/1" ]; then exit 0; fi
      touch "$RIGOR_OUTPUT/checkpoints/1"; while :; do sleep 0.1; done`;
    write(command, job, { scheduled: true });
    writeFileSync(directory.secrets, "export TOKEN='secret'\n");
    const first = execute("job 7");
    await untilExists(join(directory.checkpoints, "1"));
    expect(readFileSync(directory.claim, "utf8")).toBe("job 7\n");
    process.kill(directory.readProcess()?.pid ?? 0, "SIGTERM");
    await new Promise((resolve) => first.once("exit", resolve));
    expect(existsSync(directory.exit)).toBe(false);
    expect(existsSync(directory.secrets)).toBe(true);
    rmSync(directory.claim);
    const second = execute("job 7");
    await new Promise((resolve) => second.once("exit", resolve));
    expect(directory.readExit()).toMatchObject({ code: 0, reason: "exited" });
    expect(readFileSync(directory.stdout, "utf8")).toBe(
      `secret /of/an/earlier/attempt\nsecret ${directory.checkpoints}\n`,
    );
    expect(existsSync(directory.secrets)).toBe(false);
  });

  test("a command that is faster than its script to die of a scheduler's signal has not ended by itself [F13] [F16]", async () => {
    write(
      ["sh", "-c", `echo $$ >"$RIGOR_OUTPUT/pid"; trap 'exit 0' TERM; while :; do sleep 0.01; done`],
      {},
      {
        scheduled: true,
      },
    );
    const child = execute("7");
    await untilExists(join(directory.output, "pid"));
    await sleep(100);
    process.kill(Number(readFileSync(join(directory.output, "pid"), "utf8")), "SIGTERM");
    await sleep(150);
    process.kill(directory.readProcess()?.pid ?? 0, "SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(existsSync(directory.exit)).toBe(false);
  });

  test("a job of a scheduler that Rigor ends is recorded as cancelled [job.cancel]", async () => {
    write(["sleep", "100"], {}, { scheduled: true });
    const child = execute("7");
    await untilExists(directory.stdout);
    writeFileSync(directory.cancel, "");
    process.kill(directory.readProcess()?.pid ?? 0, "SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(directory.readExit()).toMatchObject({ reason: "cancelled", signal: "TERM" });
  });

  test("a half-written script does nothing [F01]", () => {
    write(["touch", join(directory.output, "ran")]);
    const whole = readFileSync(directory.script, "utf8");
    for (const part of [0.3, 0.6, 0.9, 0.99]) {
      writeFileSync(directory.script, whole.slice(0, Math.floor(whole.length * part)));
      run();
    }
    expect(existsSync(directory.claim)).toBe(false);
    expect(existsSync(join(directory.output, "ran"))).toBe(false);
  });
});

test("a job starts four programs and no more [size.throughput]", () => {
  write(["true"], {}, { kicked: true, booted_at: 1, finished_log: join(folder, "finished") });
  const trace = join(folder, "trace");
  spawnSync("strace", [
    "-f",
    "-qq",
    "-e",
    "trace=execve,clone,clone3,fork,vfork",
    "-o",
    trace,
    "setsid",
    "/bin/sh",
    directory.script,
  ]);
  const lines = readFileSync(trace, "utf8").split("\n");
  const programs = lines.filter((line) => /execve\(.*= 0$|execve resumed.*= 0$/.test(line));
  const forks = lines.filter((line) => /(?:clone|clone3|fork|vfork)\(/.test(line));
  expect(directory.readExit()).toMatchObject({ code: 0 });
  expect(programs).toHaveLength(4); // setsid, sh, true, mv
  expect(forks).toHaveLength(2); // true, mv
});

describe.skipIf(!canUnshare)("processes that the kernel ended for lack of memory are counted", () => {
  /** Runs the script where the files that count are ours; `$1` is what lies at `/sys/fs/cgroup`. */
  function runWith(count: string, prepare: string): void {
    write(`sleep 0.5; ${count}; kill -9 $$`);
    const inside = `mount -t tmpfs none /sys/fs/cgroup && ${prepare} && exec setsid -w /bin/sh "$0"`;
    spawnSync("unshare", ["-rm", "sh", "-ec", inside, directory.script], { stdio: "ignore" });
  }

  test("in the cgroup of the job [F25]", () => {
    const cgroups = "0::/one\\n4:memory:/one\\n";
    runWith(
      "echo 'oom_kill 7' >/sys/fs/cgroup/one/memory.events",
      `mkdir -p /sys/fs/cgroup/one && printf 'oom 9\\noom_kill 5\\n' >/sys/fs/cgroup/one/memory.events
      printf '${cgroups}' >'${folder}/cgroups'
      for pid in $$; do mount --bind '${folder}/cgroups' /proc/$pid/cgroup; done`,
    );
    expect(directory.readExit()).toMatchObject({ signal: "KILL", reason: "signal", oom_kills: 2 });
  });

  test("on the host where no cgroup counts [F25]", () => {
    const counts = join(folder, "vmstat");
    runWith(
      `echo 'oom_kill 6' >'${counts}'`,
      `printf 'nr_free_pages 1\\noom_kill 5\\n' >'${counts}' && mount --bind '${counts}' /proc/vmstat`,
    );
    expect(directory.readExit()).toMatchObject({ signal: "KILL", reason: "signal", oom_kills: 1 });
  });

  test("and a run that was killed by somebody else has none [F25]", () => {
    write("sleep 0.5; kill -9 $$");
    spawnSync("setsid", ["-w", "/bin/sh", directory.script]);
    expect(directory.readExit()).toMatchObject({ signal: "KILL", reason: "signal", oom_kills: 0 });
  });
});

test("every text is one word of a shell, unchanged [file.arguments-exact]", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ unit: "binary" }).filter((text) => !text.includes("\0")),
        { minLength: 1 },
      ),
      (texts) => {
        const printed = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${texts.map(quote).join(" ")}`], {
          encoding: "utf8",
        });
        expect(printed).toBe(texts.map((text) => `${text.toWellFormed()}\0`).join(""));
      },
    ),
    { numRuns: 50 },
  );
});

test.each(["A B", "1A", "A=B", "", "A;b"])("%j is refused as the name of a variable [file.arguments-exact]", (name) => {
  expect(() => write(["true"], { environment: { [name]: "1" } })).toThrow(/cannot name an environment variable/);
});

test("a clock that jumps neither ends nor prolongs a job: no file's time and no calendar is asked [job.clock-jump]", () => {
  // A `date` that says something else each time stands for the jumping clock.
  const tools = join(folder, "tools");
  const jumping = `#!/bin/sh\necho asked >>'${join(folder, "asked")}'\nif [ -e '${join(folder, "once")}' ]; then echo 9999999999; else : >'${join(folder, "once")}'; echo 5; fi\n`;
  execFileSync("mkdir", [tools]);
  writeFileSync(join(tools, "date"), jumping, { mode: 0o755 });
  write(["sleep", "1.2"], { time_limit: 10 });
  spawnSync("setsid", ["-w", "/bin/sh", directory.script], { env: { PATH: `${tools}:${process.env["PATH"]}` } });
  const exit = directory.readExit();
  expect(readFileSync(join(folder, "asked"), "utf8")).toBe("asked\n");
  expect(exit).toMatchObject({ code: 0, reason: "exited", started_at: 5 });
  expect(exit?.duration).toBeGreaterThan(1);
  expect(exit?.duration).toBeLessThan(9);
});

/** Processes of the group that a job had led. */
function groupOf(one: AttemptDirectory): string[] {
  const leader = one.readProcess()?.pid;
  return execFileSync("ps", ["-axo", "pgid=,stat=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => Number.parseInt(line, 10) === leader && !/^\s*\d+\s+Z/.test(line));
}
