import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DataDirectory } from "../../bench/lab/lab.ts";
import { experimentById } from "../../bench/records/experiment-queries.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import { candidates, definition } from "../../domain/events/events.testing.ts";
import type { Experiment } from "../../domain/experiment.ts";
import { openSqliteStore } from "../../store/open.ts";
import type { Store } from "../../store/store.ts";
import { exportResults } from "./export.ts";

const stage = { arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } };
const planned: Experiment = {
  ...definition,
  question: "Is it smaller?",
  metrics: { loss: { goal: "minimize", range: [0, null], unit: "nats" } },
  stages: [
    { ...stage, name: "pilot", seeds: [9] },
    { ...stage, name: "full", seeds: [0, 1] },
  ],
};

let directory: string;
let store: Store;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "rigor-export-"));
  store = await openSqliteStore(join(directory, "rigor.db"));
  await append([
    created("e1", 1, "c1"),
    ...run("pilot", { arm: "a", seed: 9, position: 0, in_final_stage: false }, 9),
    ...run("a0", { arm: "a", seed: 0, position: 1 }, 0.5),
    ...run("b0", { arm: "b", seed: 0, position: 2 }, 0.25),
    ...run("b1", { arm: "b", seed: 1, position: 3 }, null),
  ]);
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

const append = (events: readonly DomainEvent[]): Promise<void> =>
  store.transact("test", (transaction) => transaction.append(events));

async function exported(id: string, format: "csv" | "markdown" | "latex"): Promise<string> {
  return exportResults({ store, data: new DataDirectory(directory) }, await experimentById(store.db, id), format);
}

test("CSV has every value that counts with host, time and commit; pilots and failures are left out [export.formats]", async () => {
  expect(await exported("e1", "csv")).toBe(
    "experiment,run,arm,task,lr,seed,metric,value,host,commit,finished_at\n" +
      "small@1,a0,a,t,0.1,0,loss,0.5,node-a0,c1,2030-01-01T00:00:02.000Z\n" +
      "small@1,b0,b,t,0.1,0,loss,0.25,node-b0,c1,2030-01-01T00:00:02.000Z\n",
  );
});

test("a shared run keeps the commit that it ran with", async () => {
  const placement = { experiment_id: "e2", position: 0, arm: "a", task: "t", grid: {}, seed: 0 };
  await append([
    created("e2", 2, "c2"),
    { kind: "run.shared", entity: "a0", data: { placement: { ...placement, stages: [1], in_final_stage: true } } },
  ]);
  expect(await exported("e2", "csv")).toContain("small@2,a0,a,t,0.1,0,loss,0.5,node-a0,c1,");
});

test("Markdown and LaTeX show the table and say what is missing [export.formats]", async () => {
  const markdown = await exported("e1", "markdown");
  expect(markdown).toContain("# small@1");
  expect(markdown).toContain("| b | **0.25** (n = 1 of 2) |");
  expect(markdown).toContain("- 1 planned run has no valid result.");
  expect(markdown).toContain("| a | 0.5 † |");
  const latex = await exported("e1", "latex");
  expect(latex).toContain("b & $\\mathbf{0.25}$ (n = 1 of 2) \\\\");
  expect(latex).toContain("\\item 1 planned run has no valid result.");
});

function created(entity: string, version: number, commit: string): DomainEvent {
  const [event] = candidates({ experiments: [entity], runs: [], attempts: 0, computes: [], issues: [] });
  if (event?.kind !== "experiment.created") throw new Error("the first candidate creates an experiment");
  const { source, ...data } = event.data;
  const plan_hash = String(version).repeat(64);
  return { ...event, data: { ...data, version, plan_hash, definition: planned, source: { ...source, commit } } };
}

interface Place {
  arm: string;
  seed: number;
  position: number;
  in_final_stage?: boolean;
}

/** A run with one attempt, which fails without a value. */
function run(id: string, { in_final_stage = true, ...place }: Place, loss: number | null): DomainEvent[] {
  const attempt = `${id}-1`;
  const placement = {
    experiment_id: "e1",
    task: "t",
    grid: {},
    ...place,
    stages: [in_final_stage ? 1 : 0],
    in_final_stage,
  };
  const resources = { cpus: 1, gpus: 0, gpu_memory: null, memory: null, time: null };
  const held = {
    compute: "local",
    compute_id: "local",
    host: `node-${id}`,
    directory: attempt,
    lease: { cpus: 1, memory: 0, gpus: [] },
  };
  return [
    { kind: "run.created", entity: id, data: { parameters: { lr: 0.1 }, needs: {}, placement } },
    {
      kind: "attempt.queued",
      entity: attempt,
      data: { run_id: id, experiment_id: "e1", number: 1, resources, needs: {}, ...held },
    },
    { kind: "attempt.submitted", entity: attempt, data: { job: null } },
    { kind: "attempt.started", entity: attempt, data: { process: null, started_at: "2030-01-01T00:00:01.000Z" } },
    {
      kind: "attempt.finished",
      entity: attempt,
      data: {
        state: loss === null ? "failed" : "succeeded",
        exit: { code: loss === null ? 1 : 0, signal: null },
        category: null,
        evidence: null,
        started_at: null,
        finished_at: "2030-01-01T00:00:02.000Z",
        duration: 1,
        memory_peak: null,
        gpu_memory_peak: null,
      },
    },
    ...(loss === null
      ? [{ kind: "run.failed" as const, entity: id, data: { reason: { code: "unknown", message: "it failed" } } }]
      : [
          {
            kind: "result.recorded" as const,
            entity: attempt,
            data: {
              run_id: id,
              metrics: { loss },
              inputs_hash: null,
              artifacts: [],
              outputs_hash: "0".repeat(64),
              warnings: [],
            },
          },
          { kind: "run.completed" as const, entity: id, data: { attempt_id: attempt } },
        ]),
  ];
}
