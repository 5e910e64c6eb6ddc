/**
 * SQLite on a temporary file; with `RIGOR_TEST_DATABASE_URL` also PostgreSQL, in a schema that is made and dropped.
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
import type { MetricPointRow } from "../packages/rigor/src/store/tables.ts";
import { successfulAttempt } from "./support/attempt-events.ts";
import { defineBenchmark } from "./support/benchmark.ts";

const runs = 10_000;
const grouped = 16;
const points = 200_000;
const pointsPerCall = 5_000;
const events = runs * 7;

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
  const data = {
    parameters: { lr: 0.001, layers: [64, 64], name: "adam", nested: { warmup: 100 } },
    needs: {},
    placement,
  };
  return { kind: "run.created", entity: runId(index), data };
}

function attemptEvents(index: number): DomainEvent[] {
  return successfulAttempt({
    id: `attempt-${index}`,
    runId: runId(index),
    experimentId: "e1",
    resources: { cpus: 1, gpus: 0, gpu_memory: null, memory: 1e9, time: 600 },
    metrics: { loss: 0.25, accuracy: 0.75 },
  });
}

/** A rate, and what it is a rate of. */
const perSecond = (what: string) => ({ what, unit: "/s" });

export const benchmark = defineBenchmark({
  title: `the store alone, on files; what one host writes for ${runs} runs`,
  measures: {
    created: perSecond("run.created, all in one turn"),
    single: perSecond("attempts of 6 events, each in a turn of its own"),
    grouped: perSecond(`attempts of 6 events, ${grouped} in a turn`),
    points: { ...perSecond("metric points"), goal: { atLeast: 5_000 } },
    again: { ...perSecond("metric points that are there already"), goal: { atLeast: 5_000 } },
    compare: perSecond("events compared with the tables"),
    rebuild: perSecond("events that tables are rebuilt from"),
    backup: { what: "backup while open", unit: "s" },
    open: { what: "open again", unit: "s" },
    size: { what: "size of the database", unit: "MB" },
    postgresCreated: perSecond("PostgreSQL: run.created, all in one turn"),
    postgresSingle: perSecond("PostgreSQL: attempts of 6 events, each in a turn of its own"),
    postgresGrouped: perSecond(`PostgreSQL: attempts of 6 events, ${grouped} in a turn`),
    postgresPoints: { ...perSecond("PostgreSQL: metric points"), goal: { atLeast: 5_000 } },
  },
  async run(record, note) {
    await inDirectory(async (directory) => {
      const file = join(directory, "rigor.sqlite");
      const store = await openSqliteStore(file);
      const written = await write(store);
      record("created", written.created);
      record("single", written.single);
      record("grouped", written.grouped);
      record("points", written.points);
      record("again", rate(points, await seconds(() => ingest(store))));
      record("compare", rate(events, await seconds(() => compareWithLog(store))));
      record("rebuild", rate(events, await seconds(() => rebuild(store))));
      record("backup", await seconds(() => store.backup(join(directory, "copy.sqlite"))));
      await store.close();
      record("size", statSync(file).size / 1e6);
      record(
        "open",
        await seconds(async () => {
          await (await openSqliteStore(file)).close();
        }),
      );
    });
    const url = process.env["RIGOR_TEST_DATABASE_URL"];
    if (!url) return note("RIGOR_TEST_DATABASE_URL names no PostgreSQL");
    await inSchema(url, async (own) => {
      const store = await openPostgresStore(own);
      const written = await write(store);
      await store.close();
      record("postgresCreated", written.created);
      record("postgresSingle", written.single);
      record("postgresGrouped", written.grouped);
      record("postgresPoints", written.points);
    });
  },
});

/** Fills a store. Returns runs, attempts or points per second. */
async function write(store: Store): Promise<Record<"created" | "single" | "grouped" | "points", number>> {
  const indexes = Array.from({ length: runs }, (_, index) => index);
  const append = (turn: DomainEvent[]) => store.transact("bench", (transaction) => transaction.append(turn));
  const half = runs / 2;
  const created = await seconds(() => append(indexes.map(runCreated)));
  const single = await seconds(async () => {
    for (const index of indexes.slice(0, half)) await append(attemptEvents(index));
  });
  const inGroups = await seconds(async () => {
    for (let start = half; start < runs; start += grouped) {
      await append(indexes.slice(start, start + grouped).flatMap(attemptEvents));
    }
  });
  return {
    created: rate(runs, created),
    single: rate(half, single),
    grouped: rate(half, inGroups),
    points: rate(points, await seconds(() => ingest(store))),
  };
}

async function ingest(store: Store): Promise<void> {
  for (let start = 0; start < points; start += pointsPerCall) {
    await ingestMetricPoints(
      store,
      Array.from({ length: pointsPerCall }, (_, index) => metricPoint(start + index)),
    );
  }
}

function metricPoint(index: number): MetricPointRow {
  const step = Math.floor(index / 64);
  return { attempt_id: `attempt-${index % 64}`, line_offset: step * 40, name: "loss", step, value: 1 / (index + 1) };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1_000;
}

const rate = (count: number, took: number): number => count / took;

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "rigor-store-"));
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function inSchema(url: string, work: (url: string) => Promise<void>): Promise<void> {
  const schema = `rigor_bench_${process.pid}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`create schema ${schema}`);
  const own = new URL(url);
  own.searchParams.set("options", `-c search_path=${schema}`);
  try {
    await work(own.href);
  } finally {
    await client.query(`drop schema ${schema} cascade`);
    await client.end();
  }
}
