/**
 * Measures Rigor and says which goals are met.
 *
 *     npm run bench [-- NAME...] [-- --json FILE]
 *
 * Goals stand in the files of the benchmarks. A missed goal is a result, not a fault: the exit status tells only whether
 * the measuring worked.
 */
import { writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { figures, figureText, type Benchmark, type Figure } from "./support/benchmark.ts";

const benchmarks: { [name: string]: () => Promise<{ benchmark: Benchmark }> } = {
  "no-op-runs": () => import("./no-op-runs.ts"),
  "run-creation": () => import("./run-creation.ts"),
  status: () => import("./status.ts"),
  "metric-ingest": () => import("./metric-ingest.ts"),
  "daemon-start": () => import("./daemon-start.ts"),
  version: () => import("./version.ts"),
  cycle: () => import("./cycle.ts"),
  "long-queue": () => import("./long-queue.ts"),
  store: () => import("./store.ts"),
  clusters: () => import("./clusters.ts"),
  "local-executor": () => import("./local-executor.ts"),
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "string" } } });
const names = positionals.length === 0 ? Object.keys(benchmarks) : positionals;
const all: Figure[] = [];
for (const name of names) {
  const load = benchmarks[name];
  if (load === undefined) {
    console.error(`There is no benchmark ${name}. There are: ${Object.keys(benchmarks).join(", ")}.`);
    process.exit(2);
  }
  const { benchmark } = await load();
  all.push(...(await measure(name, benchmark)));
}
if (values.json !== undefined) {
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? null, cpus: cpus().length, memory: totalmem() };
  writeFileSync(values.json, `${JSON.stringify({ date: new Date().toISOString(), machine, figures: all }, null, 2)}\n`);
}

async function measure(name: string, benchmark: Benchmark): Promise<Figure[]> {
  console.log(`\n${name}: ${benchmark.title}`);
  const samples = new Map<string, number[]>();
  const record = (measureName: string, ...values: number[]) => {
    samples.set(measureName, [...(samples.get(measureName) ?? []), ...values]);
  };
  await benchmark.run(record, (line) => console.log(`  (${line})`));
  const found = figures(name, benchmark, samples);
  for (const figure of found) console.log(`  ${figureText(figure)}`);
  return found;
}
