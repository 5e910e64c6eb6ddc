import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { LocalExecutor } from "../packages/rigor/src/compute/executors/local.ts";
import type { JobSpec } from "../packages/rigor/src/compute/attempt/job.ts";
import { defineBenchmark } from "./support/benchmark.ts";

const jobs = 200;
const atOnce = 2;
const rounds = 5;
/** A process that forks pays for its memory: this one holds as much as a daemon would. */
const heldMegabytes = 100;

export const benchmark = defineBenchmark({
  title: `${jobs} no-op jobs of the local executor alone, ${atOnce} at a time, from submission to record; wall time per job`,
  measures: {
    parallel: { what: "GNU parallel with a job log", unit: "ms" },
    words: { what: "started by a shell of its own, argument list", unit: "ms" },
    text: { what: "started by a shell of its own, shell string", unit: "ms" },
    spawn: { what: "started by Node, argument list", unit: "ms" },
    wordsToParallel: { what: "started by a shell of its own / GNU parallel", unit: "x", goal: { below: 2 } },
  },
  async run(record, note) {
    const ballast = Array.from({ length: heldMegabytes }, () => Buffer.alloc(1024 * 1024, 1));
    // Nothing is removed before the end: ext4 passes over each recently freed inode when it makes a file, which costs
    // up to a millisecond per file after a large removal in the same part of the disk.
    const place = mkdtempSync(join(process.env["RIGOR_BENCHMARK_DIRECTORY"] ?? tmpdir(), "rigor-executor-"));
    // Jobs and their executor do not keep a process alive: they may outlive it.
    const alive = setInterval(() => {}, 1000);
    try {
      for (let round = 0; round < rounds; round++) {
        const parallel = runParallel(place);
        const words = await perJob(place, "starter", ["true"]);
        record("words", words);
        record("text", await perJob(place, "starter", "true"));
        record("spawn", await perJob(place, "spawn", ["true"]));
        if (parallel === null) note("GNU parallel is not installed");
        else {
          record("parallel", parallel);
          record("wordsToParallel", words / parallel);
        }
      }
    } finally {
      clearInterval(alive);
      rmSync(place, { recursive: true });
      ballast.length = 0;
    }
  },
});

async function perJob(place: string, launcher: "starter" | "spawn", command: JobSpec["command"]): Promise<number> {
  const dataDirectory = mkdtempSync(join(place, "data-"));
  const executor = new LocalExecutor({ dataDirectory, launcher });
  const begun = performance.now();
  let next = 0;
  let done = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const submit = () => {
    const attempt = `attempt-${next++}`;
    const job = {
      attempt,
      run: `run-${attempt}`,
      command,
      working_directory: dataDirectory,
      environment: { RIGOR_SEED: "0" },
      parameters: {},
      time_limit: 60,
      grace: 5,
      heartbeat: 10,
    };
    executor.submit([job]).catch(reject);
  };
  executor.onChange((attempt) => {
    executor
      .status([{ attempt, run: `run-${attempt}` }])
      .then((found) => {
        const status = found.get(attempt);
        if (status?.state !== "ended" || status.exit.code !== 0) throw new Error(JSON.stringify(status));
        done += 1;
        if (next < jobs) submit();
        else if (done === jobs) resolve();
      })
      .catch(reject);
  });
  for (let index = 0; index < atOnce; index++) submit();
  await promise;
  const took = (performance.now() - begun) / jobs;
  await executor.close();
  return took;
}

function runParallel(place: string): number | null {
  const input = Array.from({ length: jobs }, (_, index) => index).join("\n");
  const begun = performance.now();
  const log = join(place, `parallel-${begun}.log`);
  const ended = spawnSync("parallel", ["-j", String(atOnce), "--tmpdir", place, "--joblog", log, "true"], { input });
  return ended.status === 0 ? (performance.now() - begun) / jobs : null;
}
