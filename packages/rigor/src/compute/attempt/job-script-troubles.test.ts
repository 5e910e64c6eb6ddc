import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "./attempt-directory.ts";
import { quote } from "../../hosts/quote.ts";
import { untilExists } from "../executors/executor.testing.ts";
import { classifyFailure } from "../failures/failures.ts";
import { makeAttempt, pidOf, shells, writeJob } from "./job-script.testing.ts";
import { canUnshare } from "./unshare.testing.ts";

// Disks that fill, processes that vanish while they are looked at, and signals at the worst moment.

let folder: string;
let directory: AttemptDirectory;

beforeEach(() => {
  ({ folder, directory } = makeAttempt());
});

afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

describe.each(shells)("in %s %s", (shell, ...options) => {
  const words = [shell, ...options.filter((one) => one !== undefined)];

  test.skipIf(!canUnshare)(
    "the end of a run that fills its disk is recorded, with what was wrong [job.disk-full]",
    () => {
      writeJob(directory, `head -c 2000000 /dev/zero >"$RIGOR_OUTPUT/large"`, {}, { kicked: true });
      const kept = new AttemptDirectory(join(folder, "kept", "attempt-1"));
      kept.create();
      const inside = `cp "$1/job.sh" "$2/script"; mount -t tmpfs -o size=128k none "$1"; mkdir "$1/output"
      cp "$2/script" "$1/job.sh"; setsid -w ${words.join(" ")} "$1/job.sh" || true; cp "$1/exit.json" "$1/stderr.log" "$2"`;
      execFileSync("unshare", ["-rm", "sh", "-ec", inside, "sh", directory.path, kept.path], { stdio: "ignore" });
      const exit = kept.readExit();
      expect(exit).toMatchObject({ code: 1, reason: "exited" });
      const stderrTail = readFileSync(kept.stderr, "utf8");
      const failure = exit && classifyFailure({ exit, stderrTail, stdoutTail: "", result: null });
      expect(failure).toMatchObject({
        category: "disk-full",
        evidence: expect.stringContaining(directory.path) as string,
      });
    },
  );

  test.skipIf(!canUnshare)(
    "so is that of a run that fails after a neighbour has filled the disk of both [job.disk-full]",
    () => {
      const neighbour = new AttemptDirectory(join(directory.path, "../attempt-2"));
      const kept = new AttemptDirectory(join(folder, "kept", "attempt-1"));
      for (const one of [neighbour, kept]) one.create();
      writeJob(neighbour, `head -c 2000000 /dev/zero >"$RIGOR_OUTPUT/large"`, {}, { kicked: true });
      const waiting = `until [ -s ${quote(neighbour.exit)} ]; do sleep 0.05; done; exit 1`;
      writeJob(directory, waiting, {}, { kicked: true });
      const inside = `cp "$1/job.sh" "$3/first"; cp "$2/job.sh" "$3/second"; cd /; mount -t tmpfs -o size=192k none "$1/.."
      mkdir -p "$1/output" "$2/output"; cp "$3/first" "$1/job.sh"; cp "$3/second" "$2/job.sh"
      setsid -w ${words.join(" ")} "$1/job.sh" & until [ -s "$1/process" ]; do sleep 0.05; done
      setsid -w ${words.join(" ")} "$2/job.sh" || true; wait; cp "$1/exit.json" "$1/stderr.log" "$3"`;
      const places = [directory.path, neighbour.path, kept.path];
      execFileSync("unshare", ["-rm", "sh", "-ec", inside, "sh", ...places], { stdio: "ignore" });
      expect(kept.readExit()).toMatchObject({ code: 1, reason: "exited" });
      expect(readFileSync(kept.stderr, "utf8")).toContain("No space left on device");
    },
  );

  test("the record of the end is one write, so that nobody reads a part of it [F01]", () => {
    const trace = join(folder, "trace");
    writeJob(directory, "exit 3");
    spawnSync("strace", ["-f", "-y", "-e", "trace=write", "-o", trace, "setsid", "-w", ...words, directory.script]);
    const writes = readFileSync(trace, "utf8").match(/write\(\d+<[^>]*\/exit\.json>.*/g);
    expect(writes).toHaveLength(1);
    expect(writes?.[0]).toMatch(new RegExp(`= ${statSync(directory.exit).size}$`));
    expect(directory.readExit()).toMatchObject({ code: 3 });
  });

  test("of the processes of a run, which may end at any time, nothing is read that has to be gone back in [job.time-limit]", () => {
    const trace = join(folder, "trace");
    writeJob(directory, `until [ -s "$RIGOR_OUTPUT/../peaks" ]; do sleep 0.1; done`);
    const options = ["-f", "-y", "-e", "trace=lseek,openat", "-o", trace];
    spawnSync("strace", [...options, "setsid", "-w", ...words, directory.script]);
    const lines = readFileSync(trace, "utf8").split("\n");
    expect(lines.filter((line) => /openat\(.*"\/proc\/\d+\/statm"/.test(line))).not.toEqual([]);
    // Its own processes read of themselves, and live.
    expect(lines.filter((line) => /lseek\(\d+<\/proc\/\d+\/(?!smaps|cgroup)[^>]*>, -/.test(line))).toEqual([]);
  });

  /** Sends the script a signal when the system has the command's status, and the script has not taken it yet. */
  async function signalAtItsEnd(signal: NodeJS.Signals): Promise<void> {
    const delay = ["-qq", "-o", join(folder, "trace"), "-e", "inject=wait4:delay_enter=4000000:when=1"];
    const child = spawn("strace", [...delay, "setsid", ...words, directory.script], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await untilExists(join(directory.output, "up"));
    const pid = pidOf(directory);
    while (!execFileSync("ps", ["-o", "stat=", "--ppid", `${pid}`], { encoding: "utf8" }).startsWith("Z"))
      await sleep(10);
    process.kill(pid, signal);
    await ended;
  }

  test("a signal that arrives just when the command ends does not make the script wait for ever [job.time-limit]", async () => {
    writeJob(directory, 'touch "$RIGOR_OUTPUT/up"; sleep 0.3; exit 3', {}, { kicked: true, booted_at: 1 });
    await signalAtItsEnd("SIGTERM");
    expect(directory.readExit()).toMatchObject({ reason: "terminated", signal: "TERM" });
  });

  test("a status that the shell has lost is not made up: the run has no record of its end [F13]", async () => {
    writeJob(directory, 'touch "$RIGOR_OUTPUT/up"; sleep 0.3; exit 3', {}, { kicked: true, booted_at: 1 });
    await signalAtItsEnd("SIGCONT");
    const exit = directory.readExit();
    if (exit !== null || shell !== "bash") {
      expect(exit).toMatchObject({ code: 3, reason: "exited" });
    } else {
      expect(readFileSync(directory.stderr, "utf8")).toBe("rigor: The shell lost the status of the command.\n");
    }
  });
});
