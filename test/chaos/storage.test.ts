import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Answer, eventually, experimentFile, TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";
import { canMount, SmallDisk } from "./mount.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

function makeLab(home?: string): TestLab {
  const lab = new TestLab(home === undefined ? {} : { home });
  cleanups.push(() => lab.remove());
  return lab;
}

function makeDisk(size: string): SmallDisk {
  const disk = new SmallDisk(size);
  cleanups.push(() => disk.remove());
  return disk;
}

/** One message, one line of advice or two, and no stack. */
function expectClearFailure({ status, stderr }: Answer, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^error: /);
  expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(3);
  expect(stderr).not.toMatch(/\n\s+at |internal|fault in Rigor/);
}

interface Run {
  id: string;
  arm: string;
  state: string;
  attempts: number;
  reason: { code: string; message: string } | null;
}

const listRuns = async (lab: TestLab): Promise<Run[]> => (await lab.json<{ runs: Run[] }>("list", "small@1")).runs;

describe("a data directory that cannot be written", () => {
  test("gives one clear message where a part of its path is a file [storage.read-only]", async () => {
    const lab = makeLab();
    lab.commit({ "run.sh": "", "experiment.yaml": experimentFile() });
    const file = join(lab.directory, "file");
    writeFileSync(file, "");
    for (const home of [join(file, "home"), file]) {
      for (const words of [["status"], ["run", "experiment.yaml"]]) {
        const { answer } = lab.startCli(words, { RIGOR_HOME: home });
        expectClearFailure(await answer, /data directory .* cannot be written: a part of its path is no directory/);
      }
    }
  });

  test.skipIf(process.platform !== "linux")(
    "gives one clear message where no directory can be made [storage.read-only]",
    async () => {
      const lab = makeLab();
      const { answer } = lab.startCli(["status"], { RIGOR_HOME: "/proc/rigor/home" });
      expectClearFailure(await answer, /data directory .* cannot be written: no directory can be made there/);
    },
  );

  test.skipIf(!canMount())("gives one clear message on a read-only file system [storage.read-only]", async () => {
    const disk = makeDisk("100m");
    const lab = makeLab(join(disk.path, "home"));
    lab.commit({ "run.sh": script, "experiment.yaml": experimentFile() });
    disk.setReadOnly(true);
    expectClearFailure(await lab.cli("status"), /data directory .* cannot be written/);
    disk.setReadOnly(false);
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    disk.setReadOnly(true);
    expectClearFailure(await lab.cli("status"), /cannot be written|read-only/);
    expectClearFailure(await lab.cli("run", "experiment.yaml"), /cannot be written|read-only/);
    const { answer } = lab.startDaemon();
    const { status, stdout } = await answer;
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "storage" } });
    disk.setReadOnly(false);
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
  });
});

const script = `printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"\n`;

describe.skipIf(!canMount())("a disk that runs full", () => {
  test("fails or delays runs, and everything goes on by itself when there is room [job.disk-full] [F21] [cli.why-waiting]", async () => {
    const disk = makeDisk("160m");
    const lab = makeLab(join(disk.path, "home"));
    const flag = join(lab.directory, "fill");
    writeFileSync(flag, "");
    lab.commit({
      "run.sh": `
sleep 0.2
if [ -e "$1" ] && [ "$RIGOR_ARM" = two ]; then
  cat /dev/zero >"$RIGOR_OUTPUT/large" || exit 1
fi
${script}`,
      "rigor.yaml": "compute:\n  local: { kind: local, cpus: 2 }\n",
      "experiment.yaml": experimentFile({
        seeds: { count: 10 },
        run: ["sh", "run.sh", flag],
        retry: { infrastructure: 20 },
      }),
      "other.yaml": experimentFile({ name: "other" }),
    });
    expect(await lab.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    const pid = lab.daemonFile()?.pid;
    await eventually("a full disk", () => statfsSync(disk.path).bfree < 16);

    // Reading works, and writing is refused with the cause.
    expect(await lab.cli("status")).toMatchObject({ status: 0 });
    for (let count = 0; count < 3; count += 1) {
      expectClearFailure(await lab.cli("run", "other.yaml"), /disk is full/);
    }
    const watching = lab.startCli(["run", "experiment.yaml"]);
    rmSync(flag);
    const full = /the disk is full: \d+ MB are free, 67 MB are needed in /;
    await eventually("a status that says why", async () => full.test((await lab.cli("status")).stdout));
    await eventually("who watches is told", () => full.test(watching.said.stderr));
    expect(lab.daemonFile()?.pid).toBe(pid);

    for (const large of globSync(join(lab.home, "attempts/*/*/output/large"))) rmSync(large);
    const watched = await watching.answer;
    expect(watched.status, watched.stderr).toBe(0);
    expect(lab.daemonFile()?.pid).toBe(pid);
    const attempts = await attemptsOf(lab);
    expect(attempts.map((one) => one.category).filter((one) => one !== null && one !== "disk-full")).toEqual([]);
    expect(await lab.cli("run", "other.yaml")).toMatchObject({ status: 0 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(await lab.differences()).toEqual([]);
  });

  test("runs wait for room while there is too little of it, and who watches is told [job.disk-full]", async () => {
    const disk = makeDisk("160m");
    const lab = makeLab(join(disk.path, "home"));
    lab.commit({ "run.sh": script, "experiment.yaml": experimentFile() });
    const large = join(disk.path, "large");
    writeFileSync(large, Buffer.alloc(120 * 1024 * 1024));
    const { answer, said } = lab.startCli(["run", "experiment.yaml"]);
    const waits = /^waiting: the disk is full: \d+ MB are free, 67 MB are needed in /m;
    await eventually("who watches is told", () => waits.test(said.stderr));
    rmSync(large);
    expect(await answer).toMatchObject({ status: 0 });
  });

  test("a daemon does not start on it, says so, and starts when there is room [job.disk-full]", async () => {
    const disk = makeDisk("100m");
    const lab = makeLab(join(disk.path, "home"));
    lab.commit({ "run.sh": script, "experiment.yaml": experimentFile() });
    const large = join(disk.path, "large");
    fill(large);
    expectClearFailure(await lab.cli("run", "experiment.yaml"), /full/);
    rmSync(large);
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    const startsOrSaysWhy = async (kilobytes: number): Promise<void> => {
      fill(large);
      truncateSync(large, statSync(large).size - kilobytes * 1024);
      const answer = await lab.cli("status");
      if (answer.status !== 0) expectClearFailure(answer, /the disk is full/i);
      expect(globSync(join(lab.home, "daemon.json.*"))).toEqual([]);
      rmSync(large);
      expect(await lab.cli("down")).toMatchObject({ status: 0 });
    };
    // Wherever the room ends: at the lock, in the database, and, with that elsewhere, at the daemon's address.
    for (const kilobytes of [0, 16, 48, 96]) await startsOrSaysWhy(kilobytes);
    const elsewhere = join(lab.directory, "rigor.sqlite");
    cpSync(join(lab.home, "rigor.sqlite"), elsewhere);
    rmSync(join(lab.home, "rigor.sqlite"));
    symlinkSync(elsewhere, join(lab.home, "rigor.sqlite"));
    for (const kilobytes of [4, 8]) await startsOrSaysWhy(kilobytes);
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
  });
});

function fill(file: string): void {
  try {
    for (;;) writeFileSync(file, Buffer.alloc(64 * 1024), { flag: "a" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

async function attemptsOf(lab: TestLab): Promise<{ state: string; category: string | null }[]> {
  const runs = await listRuns(lab);
  const shown = await Promise.all(
    runs.map((run) => lab.json<{ attempt_list: { state: string; category: string | null }[] }>("show", run.id)),
  );
  return shown.flatMap((one) => one.attempt_list);
}

describe("a damaged database", () => {
  test("is named by the CLI and left as it is [store.damaged] [F03]", async () => {
    const lab = makeLab();
    lab.commit({ "run.sh": script, "experiment.yaml": experimentFile() });
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    const whole = readFileSync(lab.database);
    const damaged = Buffer.from(whole);
    damaged.fill(0x5a, 4096, damaged.length);
    for (const content of [damaged, Buffer.alloc(0), Buffer.from("<<<<<<< HEAD\n"), whole.subarray(0, 5_000)]) {
      writeFileSync(lab.database, content);
      expectClearFailure(await lab.cli("status"), /damaged|not a Rigor database/);
      expectClearFailure(await lab.cli("run", "experiment.yaml"), /damaged|not a Rigor database/);
      expect(readFileSync(lab.database).equals(content)).toBe(true);
    }
    writeFileSync(lab.database, whole);
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
  });
});

/** What each arm does to the files between Rigor and its job; then whether the run is done all the same. */
const mischief: Record<string, { does: string; ends: string; code?: string }> = {
  "metrics-directory": { does: `mkdir "$RIGOR_OUTPUT/metrics.jsonl"`, ends: "done" },
  "metrics-pipe": { does: `mkfifo "$RIGOR_OUTPUT/metrics.jsonl"`, ends: "done" },
  "metrics-garbage": { does: `head -c 100000 /dev/urandom >"$RIGOR_OUTPUT/metrics.jsonl"`, ends: "done" },
  "result-pipe": {
    does: `rm "$RIGOR_OUTPUT/result.json"; mkfifo "$RIGOR_OUTPUT/result.json"`,
    ends: "failed",
    code: "bad-result",
  },
  "result-empty": { does: `: >"$RIGOR_OUTPUT/result.json"`, ends: "failed", code: "bad-result" },
  "result-cut": { does: `printf '{"metrics":{"lo' >"$RIGOR_OUTPUT/result.json"`, ends: "failed", code: "bad-result" },
  "artifact-pipe": { does: `rm "$RIGOR_OUTPUT/kept"; mkfifo "$RIGOR_OUTPUT/kept"`, ends: "invalid" },
  "artifact-loop": { does: `ln -sf kept "$RIGOR_OUTPUT/kept"`, ends: "invalid" },
  "artifact-dangling": {
    does: `rm "$RIGOR_OUTPUT/kept"; mkdir "$RIGOR_OUTPUT/kept"; ln -s nowhere "$RIGOR_OUTPUT/kept/link"`,
    ends: "invalid",
  },
  "exit-garbage": { does: `printf '{"attempt' >"$RIGOR_OUTPUT/../exit.json"; sleep 1.5`, ends: "done" },
  "process-empty": { does: `: >"$RIGOR_OUTPUT/../process"; sleep 1.5`, ends: "done" },
  "spec-cut": { does: `printf '{"gra' >"$RIGOR_OUTPUT/../spec.json"`, ends: "done" },
  "directory-removed": { does: `rm -rf "$RIGOR_OUTPUT/.."`, ends: "failed" },
  "stdout-pipe": {
    does: `rm "$RIGOR_OUTPUT/../stdout.log"; mkfifo "$RIGOR_OUTPUT/../stdout.log"; exit 1`,
    ends: "failed",
  },
};

describe("files of a job that are damaged, empty or something else", () => {
  test("harm that run at most, and never the daemon or the others [F01] [F09] [job.bad-result]", async () => {
    const lab = makeLab();
    const cases = Object.entries(mischief).map(([arm, { does }]) => `  ${arm}) ${does} ;;\n`);
    lab.commit({
      "run.sh": `echo kept >"$RIGOR_OUTPUT/kept"\n${script}case $RIGOR_ARM in\n${cases.join("")}esac\n`,
      "experiment.yaml": experimentFile({
        arms: Object.fromEntries(Object.keys(mischief).map((arm) => [arm, {}])),
        seeds: [1],
        outputs: { artifacts: ["kept"] },
        retry: { infrastructure: 0 },
      }),
    });
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 1 });
    const runs = await listRuns(lab);
    for (const run of runs)
      expect({ arm: run.arm, state: run.state }).toEqual({ arm: run.arm, state: mischief[run.arm]?.ends });
    for (const run of runs) {
      const code = mischief[run.arm]?.code;
      if (code !== undefined) expect(run).toMatchObject({ arm: run.arm, attempts: 1, reason: { code } });
      // What is left of it can be shown.
      expect(await lab.cli("show", run.id)).toMatchObject({ status: 0 });
      expect((await lab.cli("logs", run.id)).stderr).not.toMatch(/internal|\n\s+at /);
    }
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(await lab.differences()).toEqual([]);
  });

  test("are met by the next daemon too: what cannot be read is no end [F01] [F11] [F16]", async () => {
    const lab = makeLab();
    const go = join(lab.directory, "go");
    lab.commit({
      "run.sh": `while [ ! -e "$1" ]; do sleep 0.05; done\n${script}`,
      "rigor.yaml": "compute:\n  local: { kind: local, cpus: 8 }\n",
      "experiment.yaml": experimentFile({ seeds: { count: 4 }, run: ["sh", "run.sh", go] }),
    });
    expect(await lab.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    const attempts = join(lab.home, "attempts");
    await eventually("all jobs at work", () => globSync(join(attempts, "*/*/process")).length === 8);
    killIfThere(lab.daemonFile()?.pid);
    const [ended, empty, foreign, exitless, specless, lives] = globSync(join(attempts, "*/*"))
      .filter((path) => existsSync(join(path, "process")))
      .toSorted();
    writeFileSync(go, "");
    await eventually("an end of all jobs", () => globSync(join(attempts, "*/*/exit.json")).length === 8);
    writeFileSync(join(ended ?? "", "exit.json"), '{"attempt":"x","co');
    writeFileSync(join(empty ?? "", "exit.json"), "");
    writeFileSync(join(empty ?? "", "process"), "");
    writeFileSync(join(foreign ?? "", "exit.json"), readFileSync(join(lives ?? "", "exit.json")));
    rmSync(join(exitless ?? "", "exit.json"));
    mkdirSync(join(exitless ?? "", "exit.json"));
    writeFileSync(join(specless ?? "", "spec.json"), "");

    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    const tried = Object.fromEntries((await listRuns(lab)).map((run) => [run.id.slice(0, 16), run.attempts]));
    const again = new Set(
      [ended, empty, foreign, exitless].map((path) => /([0-9a-f]{16})-1$/.exec(path ?? "")?.[1] ?? ""),
    );
    for (const [id, count] of Object.entries(tried))
      expect({ id, count }).toEqual({ id, count: again.has(id) ? 2 : 1 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(await lab.differences()).toEqual([]);
  });

  test("do not keep a job from being cancelled [job.cancel]", async () => {
    const lab = makeLab();
    lab.commit({
      "run.sh": `: >"$RIGOR_OUTPUT/../spec.json"; : >"$RIGOR_OUTPUT/ready"; sleep 1000`,
      "experiment.yaml": experimentFile({ seeds: [1], arms: { one: {} } }),
    });
    expect(await lab.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    await eventually("a job at work", () => globSync(join(lab.home, "attempts/*/*/output/ready")).length === 1);
    expect(await lab.cli("cancel", "small@1")).toMatchObject({ status: 0 });
    await eventually("a cancelled run", async () => (await listRuns(lab)).every((run) => run.state === "cancelled"));
    await eventually("an end of its processes", () => lab.processes().every((one) => one.command[0] !== "sleep"));
  });

  test("of the daemon itself: what it wrote about itself [F01] [cli.no-stack]", async () => {
    const lab = makeLab();
    mkdirSync(lab.home);
    for (const content of ["", '{"pid": 12, "add', "[]", "null"]) {
      writeFileSync(join(lab.home, "daemon.json"), content, { mode: 0o600 });
      expectClearFailure(await lab.cli("status"), /daemon\.json is not what a daemon writes/);
    }
    rmSync(join(lab.home, "daemon.json"));
    expect(await lab.cli("status")).toMatchObject({ status: 0 });
  });
});
