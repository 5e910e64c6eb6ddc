import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AttemptDirectory } from "./attempt-directory.ts";
import { untilExists } from "../executors/executor.testing.ts";
import { quote } from "../../hosts/quote.ts";
import type { JobPlace } from "./job-script.ts";
import { makeAttempt, pidOf, shells, writeJob } from "./job-script.testing.ts";
import type { JobSpec } from "./job.ts";
import { canUnshare } from "./unshare.testing.ts";

const template = join(import.meta.dirname, "../../../templates/job.sh");

let folder: string;
let directory: AttemptDirectory;

beforeEach(() => {
  ({ folder, directory } = makeAttempt());
});

afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function write(command: JobSpec["command"], job: Partial<JobSpec> = {}, place: Partial<JobPlace> = {}): void {
  writeJob(directory, command, job, place);
}

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
  const words = [shell, ...options.filter((one) => one !== undefined)];
  function run(...before: string[]): void {
    const [program, ...args] = [...before, "setsid", "-w", ...words, directory.script];
    spawnSync(program, args);
  }

  const execute = (job: string) => spawn("setsid", [...words, directory.script, job], { stdio: "ignore" });

  test("a run is recorded with process, times and heartbeat", async () => {
    write("echo out; echo err >&2; sleep 1.5; exit 4", {}, { finished_log: join(folder, "finished") });
    run();
    const exit = directory.readExit();
    expect(exit).toMatchObject({ attempt: "attempt-1", code: 4, signal: null, reason: "exited" });
    expect(exit?.duration).toBeGreaterThan(1.4);
    expect(Math.abs((exit?.finished_at ?? 0) - Date.now() / 1000)).toBeLessThan(60);
    expect(directory.readProcess()?.pid).toBeGreaterThan(1);
    expect(readFileSync(directory.stdout, "utf8")).toBe("out\n");
    expect(readFileSync(directory.stderr, "utf8")).toBe("err\n");
    expect(readFileSync(join(folder, "finished"), "utf8")).toBe("attempt-1\n");
    expect(existsSync(directory.heartbeat)).toBe(true);
    await expect.poll(() => groupOf(directory)).toEqual([]);
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

  /** A stand-in of NVIDIA's tool for three cards; what the second has in use rises and falls again. */
  const nvidiaSmi = `#!/bin/sh
echo x >>"$(dirname "$0")/looks"
case $(wc -l <"$(dirname "$0")/looks") in 1) used=100 ;; 2) used=300 ;; *) used=200 ;; esac
echo "0, GPU-a, 9000, 99
1, GPU-b, $used, 50
2, GPU-c, [N/A], [N/A]"
`;

  function withCards(cards: string | null, script: string): void {
    writeFileSync(join(folder, "nvidia-smi"), nvidiaSmi, { mode: 0o755 });
    const environment: Record<string, string> = cards === null ? {} : { CUDA_VISIBLE_DEVICES: cards };
    write(script, { environment });
    const { CUDA_VISIBLE_DEVICES: _, ...inherited } = process.env;
    const env = { ...inherited, PATH: `${folder}:${process.env["PATH"]}` };
    const words = ["-w", shell, ...options.filter((one) => one !== undefined), directory.script];
    spawnSync("setsid", words, { env });
  }

  test("the most memory of all processes of the run, and of its cards, is recorded [memory.learnt]", () => {
    // Both have their memory until it was looked at three times.
    const looks = quote(join(folder, "looks"));
    const look = `count() { cat ${looks} 2>/dev/null | wc -l; }; n=$(count); until [ "$(count)" -gt $((n + 3)) ]; do sleep 0.1; done`;
    const large = (own: string, other: string) =>
      `x=$(head -c 40000000 /dev/zero | tr '\\0' x); : >"$RIGOR_OUTPUT/${own}"; until [ -e "$RIGOR_OUTPUT/${other}" ]; do sleep 0.1; done; ${look}; :`;
    withCards("0123,GPU-b,2", `(${large("a", "b")}) & (${large("b", "a")}) & wait`);
    const exit = directory.readExit();
    expect(exit?.memory_peak).toBeGreaterThan(80e6);
    expect(exit?.memory_peak).toBeLessThan(400e6);
    expect(exit?.gpu_memory_peak).toBe(300 * 1024 * 1024);
    expect(readFileSync(directory.gpu, "utf8")).toMatch(/^1, GPU-b, 100, 50\n2, GPU-c/);
    expect(readFileSync(directory.gpu, "utf8")).not.toContain("GPU-a");
  });

  test("a run without cards looks at none, and where nobody says which are its own nothing is concluded [memory.learnt]", () => {
    withCards("", "sleep 1.5");
    expect(directory.readExit()?.gpu_memory_peak).toBeNull();
    expect(existsSync(join(folder, "looks"))).toBe(false);
    rmSync(directory.path, { recursive: true, maxRetries: 10 });
    directory.create();
    withCards(null, `until [ -e ${quote(directory.gpu)} ]; do sleep 0.1; done; sleep 0.5`);
    expect(directory.readExit()?.gpu_memory_peak).toBeNull();
    expect(readFileSync(directory.gpu, "utf8")).toContain("GPU-a");
  });

  test("a time limit ends a run that ignores TERM [job.time-limit]", () => {
    write(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], { time_limit: 1, grace: 1 });
    run();
    expect(directory.readExit()).toMatchObject({ reason: "time-limit", signal: "KILL" });
    expect(directory.readExit()?.duration).toBeLessThan(60);
  });

  test("the warning signal reaches the run, which goes on [F16]", async () => {
    const program = `process.on("SIGUSR1", () => { console.log("checkpoint"); setTimeout(() => process.exit(0), 200); }); require("fs").writeFileSync(process.env.RIGOR_OUTPUT + "/up", ""); setInterval(() => {}, 1000)`;
    write(`${quote(process.execPath)} -e ${quote(program)}; echo after`);
    const child = spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script], {
      stdio: "ignore",
    });
    await untilExists(join(directory.output, "up"));
    process.kill(pidOf(directory), "SIGUSR1");
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
    process.kill(pidOf(directory), "SIGTERM");
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
    write(["sleep", "200"], { time_limit: 2 }, { kicked: true });
    const child = spawn("setsid", [shell, ...options.filter((one) => one !== undefined), directory.script], {
      stdio: "ignore",
    });
    await untilExists(directory.stdout);
    await sleep(1300);
    expect(existsSync(directory.heartbeat)).toBe(false);
    process.kill(pidOf(directory), "SIGCONT");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(directory.readExit()).toMatchObject({ reason: "time-limit" });
    expect(directory.readExit()?.duration).toBeLessThan(100);
  });

  test.each([
    ["leads its group", `exec ${shell} ${options.join(" ")} "$0" job`],
    ["is one of a larger group", `${shell} ${options.join(" ")} "$0" job & wait; sleep 60`],
    ["had only begun to record its end", `exec ${shell} ${options.join(" ")} "$0" job`, ""],
  ])(
    "a run whose script was killed is ended and shows no life, where the script %s [F05] [F11]",
    async (_, start, record?: string) => {
      write(["sleep", "300"], {}, { scheduled: true });
      const outer = spawn("setsid", ["sh", "-c", start, directory.script], { stdio: "ignore" });
      await untilExists(directory.heartbeat);
      const script = pidOf(directory);
      const children = () =>
        execFileSync("ps", ["-axo", "pid=,ppid=,stat="], { encoding: "utf8" }).matchAll(/^ *(\d+) +(\d+) ([^Z\s])/gm);
      const ofScript = () => [...children()].filter(([, , parent]) => Number(parent) === script).map(([, pid]) => pid);
      await expect.poll(() => ofScript().length).toBeGreaterThanOrEqual(2);
      const left = ofScript();
      if (record !== undefined) {
        writeFileSync(directory.exit, record);
        for (let beats = 0; beats < 2; beats += 1) {
          const before = readFileSync(directory.heartbeat, "utf8");
          await expect.poll(() => readFileSync(directory.heartbeat, "utf8")).not.toBe(before);
        }
      }
      process.kill(script, "SIGKILL");
      const alive = () => [...children()].filter(([, pid]) => left.includes(pid)).length;
      await expect.poll(alive).toBe(0);
      expect(directory.readExit()).toBeNull();
      outer.kill("SIGKILL");
    },
  );

  test("a job of a scheduler that others end has not ended: it is started again, goes on, and says so [F16] [compute.requeue] [compute.restarts]", async () => {
    const job = { secrets: { TOKEN: "secret" }, environment: { RIGOR_RESUME: "/of/an/earlier/attempt" } };
    const command = `echo "$TOKEN $RIGOR_RESUME"; mkdir -p "$RIGOR_OUTPUT/checkpoints"; trap 'exit 0' TERM
      if [ -e "$RIGOR_OUTPUT/checkpoints/1" ]; then exit 0; fi
      touch "$RIGOR_OUTPUT/checkpoints/1"; while :; do sleep 0.1; done`;
    write(command, job, { scheduled: true });
    writeFileSync(directory.secrets, "export TOKEN='secret'\n");
    const first = execute("job 7");
    await untilExists(join(directory.checkpoints, "1"));
    expect(readFileSync(directory.claim, "utf8")).toBe("job 7\n");
    // Less than a hundredth of a second is not counted.
    await sleep(50);
    process.kill(pidOf(directory), "SIGTERM");
    await new Promise((resolve) => first.once("exit", resolve));
    expect(existsSync(directory.exit)).toBe(false);
    expect(existsSync(directory.secrets)).toBe(true);
    const spent = join(directory.path, "spent");
    expect(Number(readFileSync(spent, "utf8"))).toBeGreaterThan(0);
    // What the first start took counts; here an hour, in hundredths of a second.
    writeFileSync(spent, "360000\n");
    rmSync(directory.claim);
    writeFileSync(join(directory.path, "restarts"), readFileSync(directory.process, "utf8"));
    const second = execute("job 7");
    await new Promise((resolve) => second.once("exit", resolve));
    const exit = directory.readExit();
    expect(exit).toMatchObject({ code: 0, reason: "exited", restarts: 1 });
    expect(exit?.duration).toBeGreaterThanOrEqual(3_600);
    expect((exit?.finished_at ?? 0) - (exit?.started_at ?? 0)).toBeLessThan(3_600);
    expect(readFileSync(directory.stdout, "utf8")).toBe(
      `secret /of/an/earlier/attempt\nsecret ${directory.checkpoints}\n`,
    );
    expect(existsSync(directory.secrets)).toBe(false);
  });

  test("a command that is faster than its script to die of a scheduler's signal has not ended by itself [F13] [F16]", async () => {
    write(
      ["sh", "-c", `cd "$RIGOR_OUTPUT"; trap 'exit 0' TERM; echo $$ >next; mv next pid; while :; do sleep 0.01; done`],
      {},
      {
        scheduled: true,
      },
    );
    const child = execute("7");
    await untilExists(join(directory.output, "pid"));
    const command = Number(readFileSync(join(directory.output, "pid"), "utf8"));
    process.kill(command, "SIGTERM");
    // Its script, which waits half a second for the same signal, knows of its end.
    await expect.poll(() => existsSync(`/proc/${command}`), { interval: 5 }).toBe(false);
    process.kill(pidOf(directory), "SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(existsSync(directory.exit)).toBe(false);
  });

  test.each([0, 3])(
    "a scheduler is told how the run ended, and all that is left of its group is ended: %i [compute.true-ends] [job.process-group]",
    async (status) => {
      write(`sleep 100 & echo $! >"$RIGOR_OUTPUT/pid"; exit ${status}`, {}, { scheduled: true });
      const child = execute("7");
      const told = await new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
      expect(told).toEqual({ code: status === 0 ? 0 : 1, signal: null });
      expect(directory.readExit()).toMatchObject({ code: status, reason: "exited" });
      await expect.poll(() => groupOf(directory)).toEqual([]);
    },
  );

  test("a job of a scheduler that Rigor ends is recorded as cancelled [job.cancel]", async () => {
    write(["sleep", "100"], {}, { scheduled: true });
    const child = execute("7");
    await untilExists(directory.stdout);
    writeFileSync(directory.cancel, "");
    process.kill(pidOf(directory), "SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    expect(directory.readExit()).toMatchObject({ reason: "cancelled", signal: "TERM" });
  });

  test("the record of its end is written at once, and one that could not be written is removed [job.disk-full]", () => {
    const finished = join(folder, "finished");
    const trace = join(folder, "trace");
    write(["true"], {}, { finished_log: finished, kicked: true });
    run("strace", "-f", "-y", "-e", "trace=write", "-o", trace);
    const writes = readFileSync(trace, "utf8")
      .split("\n")
      .filter((line) => /write\(\d+<[^>]*exit\.json>/.test(line));
    expect(writes).toHaveLength(1);
    expect(directory.readExit()).toMatchObject({ code: 0 });
    rmSync(directory.claim);
    rmSync(directory.exit);
    rmSync(finished);
    symlinkSync("/dev/full", directory.exit);
    run();
    expect(existsSync(directory.claim)).toBe(true);
    expect(readdirSync(directory.path)).not.toContain("exit.json");
    expect(existsSync(finished)).toBe(false);
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

test("a job starts three programs and no more [size.throughput]", () => {
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
  expect(programs).toHaveLength(3); // setsid, sh, true
  expect(forks).toHaveLength(1); // true
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
  write(["sleep", "1.2"], { time_limit: 100 });
  spawnSync("setsid", ["-w", "/bin/sh", directory.script], { env: { PATH: `${tools}:${process.env["PATH"]}` } });
  const exit = directory.readExit();
  expect(readFileSync(join(folder, "asked"), "utf8")).toBe("asked\n");
  expect(exit).toMatchObject({ code: 0, reason: "exited", started_at: 5 });
  expect(exit?.duration).toBeGreaterThan(1);
  expect(exit?.duration).toBeLessThan(100);
});

/** Processes of the group that a job had led. */
function groupOf(one: AttemptDirectory): string[] {
  const leader = one.readProcess()?.pid;
  return execFileSync("ps", ["-axo", "pgid=,stat=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => Number.parseInt(line, 10) === leader && !/^\s*\d+\s+Z/.test(line));
}
