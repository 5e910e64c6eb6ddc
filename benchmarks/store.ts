/**
 * Measures the store: bulk creation, small and grouped commits, metric points, opening, rebuilding.
 *
 * `node benchmarks/store.ts` measures SQLite on a temporary file; with `RIGOR_TEST_DATABASE_URL` also PostgreSQL, in
 * a schema that it creates and drops. Prints one line per measure.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { DomainEvent } from "../packages/rigor/src/domain/events/registry.ts";
import { ingestMetricPoints } from "../packages/rigor/src/store/metrics.ts";
import { openPostgresStore, openSqliteStore } from "../packages/rigor/src/store/open.ts";
import { compareWithLog, rebuild } from "../packages/rigor/src/store/rebuild.ts";
import type { Store } from "../packages/rigor/src/store/store.ts";

const runs = 10_000;
const grouped = 16;
const points = 200_000;

const runId = (index: number): string => createHash("sha256").update(String(index)).digest("hex");

function runCreated(index: number): DomainEvent {
  const seed = index % 100;
  const arm = `arm-${Math.floor(index / 100) % 10}`;
  const task = `task-${Math.floor(index / 1_000)}`;
  const placement = {
    experiment_id: "e1",
    position: index,
    arm,
    task,
    grid: { lr: 0.001 },
    seed,
    stages: [0, 1],
    in_final_stage: true,
  };
  const data = { parameters: { lr: 0.001, layers: [64, 64], name: "adam", nested: { warmup: 100 } }, placement };
  return { kind: "run.created", entity: runId(index), data };
}

/** What one run on one host writes to the log, from the queue to its result. */
function attemptEvents(index: number): DomainEvent[] {
  const entity = `attempt-${index}`;
  const run = runId(index);
  const at = new Date(0).toISOString();
  return [
    {
      kind: "attempt.queued",
      entity,
      data: {
        run_id: run,
        experiment_id: "e1",
        number: 1,
        compute: "local",
        host: "local",
        directory: `/data/attempts/${entity}`,
        lease: { cpus: 1, memory: 1e9, gpus: [] },
        resources: { cpus: 1, gpus: 0, gpu_memory: null, memory: 1e9, time: 600 },
      },
    },
    { kind: "attempt.submitted", entity, data: {} },
    { kind: "attempt.started", entity, data: { process: { pid: 4_000, started: "12345" }, started_at: at } },
    {
      kind: "attempt.finished",
      entity,
      data: {
        state: "succeeded",
        exit: { code: 0, signal: null },
        category: null,
        evidence: null,
        started_at: at,
        finished_at: at,
        duration: 1.5,
      },
    },
    {
      kind: "result.recorded",
      entity,
      data: { run_id: run, metrics: { loss: 0.25, accuracy: 0.75 }, inputs_hash: null, artifacts: [] },
    },
    { kind: "run.completed", entity: run, data: { attempt_id: entity } },
  ];
}

async function timed(name: string, count: number, unit: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  const rate = Math.round(count / seconds);
  console.log(`${name.padEnd(44)} ${seconds.toFixed(3).padStart(8)} s ${String(rate).padStart(9)} ${unit}/s`);
}

async function measure(store: Store): Promise<void> {
  const indexes = Array.from({ length: runs }, (_, index) => index);
  await timed(`${runs} run.created in one turn`, runs, "runs", () =>
    store.transact("bench", (transaction) => transaction.append(indexes.map(runCreated))),
  );
  const single = indexes.slice(0, runs / 2);
  await timed(`${single.length} turns of 6 events`, single.length, "turns", async () => {
    for (const index of single) {
      await store.transact("bench", (transaction) => transaction.append(attemptEvents(index)));
    }
  });
  const rest = indexes.slice(runs / 2);
  await timed(`${rest.length} runs of 6 events, ${grouped} runs a turn`, rest.length, "runs", async () => {
    for (let start = 0; start < rest.length; start += grouped) {
      const events = rest.slice(start, start + grouped).flatMap(attemptEvents);
      await store.transact("bench", (transaction) => transaction.append(events));
    }
  });
  const measured = Array.from({ length: points }, (_, index) => ({
    attempt_id: `attempt-${index % 64}`,
    line_offset: Math.floor(index / 64) * 40,
    name: "loss",
    step: Math.floor(index / 64),
    value: 1 / (index + 1),
  }));
  await timed(`${points} metric points`, points, "points", async () => {
    for (let start = 0; start < points; start += 5_000)
      await ingestMetricPoints(store, measured.slice(start, start + 5_000));
  });
  await timed("the same points again", points, "points", async () => {
    for (let start = 0; start < points; start += 5_000)
      await ingestMetricPoints(store, measured.slice(start, start + 5_000));
  });
  const events = runs * 7;
  await timed("compare tables with log", events, "events", () => compareWithLog(store));
  await timed("rebuild tables from log", events, "events", () => rebuild(store));
}

async function measureSqlite(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "rigor-bench-"));
  const file = join(directory, "rigor.db");
  try {
    console.log("SQLite");
    const store = await openSqliteStore(file);
    await measure(store);
    await store.close();
    const megabytes = (statSync(file).size / 1e6).toFixed(0);
    let again: Store | undefined;
    await timed(`open a database of ${megabytes} MB`, 1, "opens", async () => {
      again = await openSqliteStore(file);
    });
    await again?.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measurePostgres(url: string): Promise<void> {
  const schema = `rigor_bench_${process.pid}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`create schema ${schema}`);
  const own = new URL(url);
  own.searchParams.set("options", `-c search_path=${schema}`);
  try {
    console.log("PostgreSQL");
    const store = await openPostgresStore(own.href);
    await measure(store);
    await store.close();
  } finally {
    await client.query(`drop schema ${schema} cascade`);
    await client.end();
  }
}

await measureSqlite();
const url = process.env["RIGOR_TEST_DATABASE_URL"];
if (url) await measurePostgres(url);
