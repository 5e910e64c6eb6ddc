import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeJob } from "../executors/executor.testing.ts";
import { allocationOf, memberScript, silenceOf } from "./batches.ts";

let root: string;

beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), "rigor-batches-")), "it's a $root");
});
afterEach(() => rmSync(join(root, ".."), { recursive: true }));

test("a scheduler's limit comes after the job's own, so that the job records its end [job.time-limit]", () => {
  const job = makeJob("/", ["true"], { time_limit: 60, grace: 10 });
  expect(allocationOf(job).time).toBeGreaterThan(70);
  expect(allocationOf({ ...job, margin: 60 }).time).toBe(130);
  expect(allocationOf({ ...job, time_limit: null })).toEqual({ cpus: 1, gpus: 0, memory: null, time: null });
});

test.each(["sh", "dash", "bash"])("shellcheck finds nothing in the script of a member for %s", (dialect) => {
  for (const paths of [["00/a"], ["00/a", "01/b"]]) {
    const input = memberScript("/it's a $root", paths, 10);
    expect(
      spawnSync("shellcheck", ["-s", dialect, "--exclude=SC2016", "-"], { input, encoding: "utf8" }),
    ).toMatchObject({
      status: 0,
      stdout: "",
    });
  }
});

describe.each([["dash"], ["bash"], ["busybox", "sh"]])("in %s %s", (shell, ...options) => {
  /** What stands for `sleep`: it writes how long it was asked to sleep, and then does something instead. */
  function sleepIs(meanwhile: string): void {
    mkdirSync(join(root, "bin"), { recursive: true });
    writeFileSync(join(root, "bin/sleep"), `#!/bin/sh\necho "$1" >slept\n${meanwhile}\n`, { mode: 0o755 });
  }

  /** Runs a member of a batch whose jobs write their argument to `started`. */
  function run(size: number, variables: Record<string, string>) {
    const paths = Array.from({ length: size }, (_, index) => `00/attempt-${index}`);
    for (const path of paths) {
      mkdirSync(join(root, path), { recursive: true });
      writeFileSync(join(root, path, "job.sh"), 'printf "%s\\n" "$1" >>started\n');
    }
    const script = join(root, "member.sh");
    writeFileSync(script, memberScript(root, paths, 10));
    const words = [...options.filter((each) => each !== undefined), script];
    const env = { PATH: `${root}/bin:${process.env["PATH"]}`, ...variables };
    return spawnSync(shell, words, { encoding: "utf8", env });
  }

  const startsOf = (index: number): string[] => {
    const file = join(root, `00/attempt-${index}/started`);
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  };

  test("each index starts its own member and no other [F14] [F22]", () => {
    for (const [name, job] of [
      ["SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID"],
      ["PBS_ARRAY_INDEX", "PBS_JOBID"],
    ] as const) {
      expect(run(12, { [name]: "1", [job]: "31[1].pbs" }).status).toBe(0);
      expect(run(12, { [name]: "11", [job]: "31[11].pbs" }).status).toBe(0);
    }
    expect(Array.from({ length: 12 }, (_, index) => startsOf(index).length)).toEqual([
      0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    ]);
    expect(startsOf(11)[0]).toBe("31[11].pbs");
    for (const index of ["", "12", "01", "1 2", "*"]) {
      const { status, stderr } = run(12, { SLURM_ARRAY_TASK_ID: index });
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: "The scheduler does not say which member of the batch this is.\n",
      });
    }
  });

  test("a batch of one needs no index, and heeds none of an outer job", () => {
    expect(run(1, { SLURM_ARRAY_TASK_ID: "4", SLURM_JOB_ID: "7" }).status).toBe(0);
    expect(startsOf(0)).toEqual(["7"]);
  });

  const fileOf = (name: string) => join(root, "00/attempt-0", name);
  const isClaimed = () => existsSync(fileOf("claim"));

  function claim(owner: string): void {
    mkdirSync(fileOf("."), { recursive: true });
    writeFileSync(fileOf("claim"), owner);
    writeFileSync(fileOf("heartbeat"), "5\n");
  }

  test("only the job that claimed an attempt frees it again, and never one that has ended [F10] [compute.requeue]", () => {
    sleepIs("");
    for (const [owner, job] of [
      ["8\n", "7"],
      ["", "7"],
      ["\n", ""],
      ["7\n", ""],
    ] as const) {
      claim(owner);
      run(1, { SLURM_JOB_ID: job });
      expect(isClaimed()).toBe(true);
    }
    writeFileSync(fileOf("exit.json"), "{}\n");
    claim("7\n");
    run(1, { SLURM_JOB_ID: "7" });
    expect(isClaimed()).toBe(true);
    // Of a job that was killed, or met a full disk, as it recorded its end.
    writeFileSync(fileOf("exit.json"), "");
    run(1, { SLURM_JOB_ID: "7" });
    expect(isClaimed()).toBe(false);
    expect(readFileSync(fileOf("slept"), "utf8")).toBe(`${silenceOf(10)}\n`);
  });

  test("each time that an attempt is started again is noted, with who executed it before [compute.restarts]", () => {
    sleepIs("");
    for (const host of ["n1", "n2"]) {
      claim("7\n");
      writeFileSync(fileOf("process"), `{"host":"${host}"}\n`);
      run(1, { SLURM_JOB_ID: "7" });
    }
    expect(readFileSync(fileOf("restarts"), "utf8")).toBe('{"host":"n1"}\n{"host":"n2"}\n');
  });

  test("a member is not started again while its earlier execution beats [F11] [compute.requeue]", () => {
    sleepIs("echo 6 >heartbeat");
    claim("7\n");
    expect(run(1, { SLURM_JOB_ID: "7" })).toMatchObject({
      status: 1,
      stderr: "An earlier execution of this job is still alive.\n",
    });
    expect(isClaimed()).toBe(true);
    expect(startsOf(0)).toEqual([]);
  });
});
