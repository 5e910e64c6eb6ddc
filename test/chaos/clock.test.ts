import { existsSync, globSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, experimentFile, TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";

/** Debian's `faketime` package: the daemon asks it for the time of day. The clock that never jumps stays true. */
const [library] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");

interface Attempt {
  state: string;
  duration: number | null;
  category: string | null;
}

interface Shown {
  arm: string;
  state: string;
  attempts: number;
  attempt_list: Attempt[];
}

let lab: TestLab;
let offsetFile: string;

beforeAll(() => {
  lab = new TestLab();
  offsetFile = join(lab.directory, "offset");
  lab.commit({
    "run.sh": `
if [ "$RIGOR_ARM" = retried ] && [ ! -e "$1-$RIGOR_SEED" ]; then
  : >"$1-$RIGOR_SEED"
  echo 'curl: (7) Failed to connect to index.invalid port 80: Connection refused' >&2
  exit 1
fi
if [ "$RIGOR_ARM" = long ]; then sleep 4; fi
if [ "$RIGOR_ARM" = limited ]; then sleep 600; fi
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`,
    "rigor.yaml": "compute:\n  local: { kind: local, cpus: 8 }\n",
    ...Object.fromEntries([1, 2, 3].flatMap((seed) => experiments(seed))),
  });
});
afterAll(() => lab.remove());

/** The limits of an experiment are those of all its runs, so that two experiments are needed. */
function experiments(seed: number): [string, string][] {
  const run = ["sh", "run.sh", join(lab.directory, "tried")];
  const common = { seeds: [seed], run };
  return [
    [`whole-${seed}.yaml`, experimentFile({ ...common, name: `whole-${seed}`, arms: { long: {}, retried: {} } })],
    [
      `limited-${seed}.yaml`,
      experimentFile({ ...common, name: `limited-${seed}`, arms: { limited: {} }, resources: { time: 8 } }),
    ],
  ];
}

/** @param seconds by which the clock of the daemon is wrong from now on */
function setClock(seconds: number): void {
  writeFileSync(`${offsetFile}.next`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
  renameSync(`${offsetFile}.next`, offsetFile);
}

const startDaemon = () =>
  lab.startReadyDaemon({
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: offsetFile,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
  });

async function begin(seed: number): Promise<void> {
  for (const name of [`limited-${seed}`, `whole-${seed}`]) {
    expect(await lab.cli("run", `${name}.yaml`, "--detach")).toMatchObject({ status: 0 });
  }
  await eventually("a run that will be retried", () => existsSync(join(lab.directory, `tried-${seed}`)));
}

async function shown(name: string): Promise<Shown[]> {
  const { runs } = await lab.json<{ runs: { id: string }[] }>("list", `${name}@1`);
  return await Promise.all(runs.map((run) => lab.json<Shown>("show", run.id)));
}

/** Seconds that a loaded machine may add to what a run takes; the clock is wrong by much more. */
const slack = 120;

async function expectTrueTimes(seed: number): Promise<void> {
  const found = async () => [...(await shown(`whole-${seed}`)), ...(await shown(`limited-${seed}`))];
  const ended = async () => (await found()).every(({ state }) => state !== "pending" && state !== "active");
  await eventually("an end of all runs", ended, 180_000);
  for (const run of await found()) {
    const last = run.attempt_list.find((attempt) => attempt.state !== "failed");
    if (run.arm === "long") {
      expect(run).toMatchObject({ state: "done", attempts: 1 });
      expect(last?.duration).toBeGreaterThanOrEqual(3.9);
      expect(last?.duration).toBeLessThan(4 + slack);
    } else if (run.arm === "limited") {
      expect(run).toMatchObject({ state: "failed", attempts: 1 });
      expect(last).toMatchObject({ state: "timed-out", category: "timeout" });
      expect(last?.duration).toBeGreaterThanOrEqual(7.9);
      expect(last?.duration).toBeLessThan(8 + slack);
    } else {
      expect(run).toMatchObject({ state: "done", attempts: 2 });
    }
  }
}

describe.skipIf(library === undefined)("a clock that jumps by an hour", () => {
  test("back: no job is ended early or late, and no retry waits for an hour [job.clock-jump] [F07]", async () => {
    setClock(0);
    const daemon = await startDaemon();
    await begin(1);
    setClock(-3_600);
    await expectTrueTimes(1);
    killIfThere(daemon.pid);
  });

  test("forward: the same [job.clock-jump]", async () => {
    setClock(0);
    const daemon = await startDaemon();
    await begin(2);
    setClock(3_600);
    await expectTrueTimes(2);
    killIfThere(daemon.pid);
  });

  test("back, while no daemon is there: the next one does not wait for an hour [job.clock-jump] [F07]", async () => {
    setClock(3_600);
    const daemon = await startDaemon();
    await begin(3);
    // The pause is shorter than a call of the command line on a busy machine.
    const retry = `select runs.id from runs join attempts on attempts.run_id = runs.id
      where runs.state = 'pending' and attempts.state = 'failed'`;
    await eventually("a retry that waits", () => lab.look(retry).length > 0);
    killIfThere(daemon.pid);
    setClock(0);
    await startDaemon();
    await expectTrueTimes(3);
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(await lab.differences()).toEqual([]);
  });
});
