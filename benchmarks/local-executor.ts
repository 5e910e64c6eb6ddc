/**
 * What one no-op job costs on this machine, from submission to its record, beside GNU parallel on the same work:
 * wall time, and the time of all processors, which other work on the machine disturbs less.
 *
 *     npx node benchmarks/local-executor.ts [jobs] [at a time] [MB that the process holds, as a daemon would]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { LocalExecutor } from "../packages/rigor/src/compute/executors/local.ts";
import type { JobSpec } from "../packages/rigor/src/compute/job.ts";

const jobs = Number(process.argv[2] ?? 200);
const atOnce = Number(process.argv[3] ?? 2);
// Nothing is removed before the end: ext4 passes over each recently freed inode when it makes a file, which costs up to
// a millisecond per file after a large removal in the same part of the disk.
const place = mkdtempSync(join(process.env["RIGOR_BENCHMARK_DIRECTORY"] ?? tmpdir(), "rigor-benchmark-"));
const ballast = Array.from({ length: Number(process.argv[4] ?? 100) }, () => Buffer.alloc(1024 * 1024, 1));

async function perJob(launcher: "starter" | "spawn", command: JobSpec["command"]): Promise<number> {
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
      .status([{ attempt, run: `run-${attempt}`, reference: "" }])
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

function parallel(): number | null {
  const input = Array.from({ length: jobs }, (_, index) => index).join("\n");
  const begun = performance.now();
  const log = join(place, `parallel-${begun}.log`);
  const ended = spawnSync("parallel", ["-j", String(atOnce), "--tmpdir", place, "--joblog", log, "true"], { input });
  return ended.status === 0 ? (performance.now() - begun) / jobs : null;
}

/** The best of several rounds, taken in turn, because other work on the machine disturbs all of them. */
const rounds = 5;
const candidates: Record<string, () => Promise<number | null> | number | null> = {
  "GNU parallel with a job log": parallel,
  "starter, argument list": () => perJob("starter", ["true"]),
  "starter, shell string": () => perJob("starter", "true"),
  "spawn, argument list": () => perJob("spawn", ["true"]),
};

// Jobs and their executor do not keep a process alive: they may outlive it.
const alive = setInterval(() => {}, 1000);
const best = new Map<string, number>();
for (let round = 0; round < rounds; round++) {
  for (const [name, measure] of Object.entries(candidates)) {
    const took = await measure();
    if (took !== null) best.set(name, Math.min(took, best.get(name) ?? Number.POSITIVE_INFINITY));
  }
}
console.log(`${jobs} no-op jobs, ${atOnce} at a time, ${ballast.length} MB held, best of ${rounds}`);
for (const [name, took] of best) console.log(`${name.padEnd(30)} ${took.toFixed(2)} ms per job`);
rmSync(place, { recursive: true });
clearInterval(alive);
