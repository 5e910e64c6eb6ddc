import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Dispatcher } from "../packages/rigor/src/bench/dispatch/dispatcher.ts";
import type { Lab } from "../packages/rigor/src/bench/lab/lab.ts";
import { Lanes } from "../packages/rigor/src/bench/lab/lanes.ts";
import { AttemptDirectory } from "../packages/rigor/src/compute/attempt/attempt-directory.ts";
import type { Executor, Handle } from "../packages/rigor/src/compute/executor.ts";
import { defineBenchmark } from "./support/benchmark.ts";
import { experimentFile, inLaboratory } from "./support/laboratory.ts";
import { createRuns, withLab } from "./support/many-runs.ts";

const runs = 10_000;
const seconds = 10;

/** The daemon looks at everything once a second, so the processor time of a second is that of a cycle. */
export const benchmark = defineBenchmark({
  title: `processor time of the daemon per cycle, while nothing changes`,
  measures: {
    waiting: { what: `${runs} runs, two of them running, the others waiting`, unit: "ms", goal: { below: 100 } },
    live: {
      what: `${runs} runs under way on a simulated machine, the executor's time left out`,
      unit: "ms",
      goal: { below: 100 },
    },
  },
  async run(record, note) {
    const options = { runs, code: ["code.txt"], run: "sleep 600" };
    const files = { "code.txt": "", "waiting.json": experimentFile({ ...options, name: "waiting" }) };
    await inLaboratory(files, async (laboratory) => {
      await laboratory.startDaemon();
      await laboratory.start("waiting.json");
      await sleep(3_000);
      const before = processorMs(laboratory.daemon.pid);
      if (before === null) return note("this system does not tell the processor time of a process");
      await sleep(seconds * 1_000);
      record("waiting", ((processorMs(laboratory.daemon.pid) ?? 0) - before) / seconds);
    });
    await inLaboratory(files, (laboratory) =>
      withLab(laboratory, async (lab) => {
        await createRuns(lab, laboratory, "waiting.json");
        const dispatcher = new Dispatcher({ ...lab, lanes: boundlessLanes(lab) });
        await dispatcher.start();
        for (let waited = 0; dispatcher.liveCount < runs; waited += 1) {
          if (waited > 300) throw new Error(`only ${dispatcher.liveCount} runs were started`);
          dispatcher.wake();
          await sleep(200);
        }
        await sleep(2_000);
        const before = process.cpuUsage();
        await sleep(seconds * 1_000);
        const { user, system } = process.cpuUsage(before);
        record("live", (user + system) / 1_000 / seconds);
        await dispatcher.stop();
      }),
    );
  },
});

/** Milliseconds of user and system time; the kernel counts hundredths of a second. */
function processorMs(pid: number): number | null {
  if (process.platform !== "linux") return null;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** This machine as one {@link boundlessMachine}, with everything ready. */
function boundlessLanes({ store, lanes, data }: Lab): Lanes {
  return new Lanes(store, () => ({
    executor: boundlessMachine(data.root),
    stager: lanes.here.stager,
    dial: lanes.here.dial,
    scheduler: null,
  }));
}

/** A machine with room for everything, on which every job says who it is, as jobs do, and runs for ever. */
function boundlessMachine(dataDirectory: string): Executor {
  const submitted = new Set<string>();
  const empty = new Uint8Array(0);
  return {
    kind: "simulated",
    probe: () =>
      Promise.resolve({
        host: hostname(),
        cpus: 1e6,
        memory_total: 1e15,
        memory_free: 1e15,
        gpus: [],
        disk_free: 1e12,
        inodes_free: 1e9,
        write_failure: null,
      }),
    submit(jobs) {
      for (const job of jobs) {
        submitted.add(job.attempt);
        const directory = AttemptDirectory.in(dataDirectory, job.run, job.attempt);
        mkdirSync(directory.path, { recursive: true });
        writeFileSync(directory.process, `${JSON.stringify({ host: hostname(), pid: 2, started: "1", boot: "1" })}\n`);
      }
      return Promise.resolve(jobs.map(({ attempt, run }): Handle => ({ attempt, run })));
    },
    status: (handles) =>
      Promise.resolve(
        new Map(
          handles.map(({ attempt }) => [
            attempt,
            submitted.has(attempt) ? { state: "running", beat_at: null } : { state: "unclaimed" },
          ]),
        ),
      ),
    identity: () => Promise.resolve(null),
    takeOver: () => Promise.resolve(),
    attemptsRoot: () => Promise.resolve("/attempts"),
    withCheckpoints: () => Promise.resolve(new Set()),
    bringCheckpoints: () => Promise.resolve(),
    keptDirectories: () => Promise.resolve([]),
    removeDirectories: () => Promise.resolve(),
    withdraw: () => Promise.resolve(false),
    cancel: () => Promise.resolve(),
    collect: (requests) =>
      Promise.resolve(
        new Map(
          requests.map(({ handle, offsets }) => [
            handle.attempt,
            { stdout: empty, stderr: empty, metrics: empty, offsets },
          ]),
        ),
      ),
    onChange: () => () => undefined,
    close: () => Promise.resolve(),
  };
}
