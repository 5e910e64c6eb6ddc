import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import type { Executor } from "../compute/executor.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { ExperimentRecord, RunRecord } from "../domain/records.ts";
import { scratchDirectory, scratchRepository, writeFiles } from "../provenance/scratch-repository.testing.ts";
import { dialHere } from "../hosts/dial.ts";
import type { Stager } from "../provenance/staging/stager.ts";
import { openSqliteStore } from "../store/open.ts";
import { outputsFor } from "./needs/given-outputs.ts";
import { DataDirectory, type Lab } from "./lab/lab.ts";
import { Driving } from "./lab/driving.ts";
import type { Connection } from "./lab/lane.ts";
import { Lanes } from "./lab/lanes.ts";
import { followInTurn } from "./needs/follow-needs.ts";
import { experimentById } from "./records/experiment-queries.ts";
import { runsOfExperiment } from "./records/run-queries.ts";
import { resolveExperiment, type ResolvedExperiment } from "./experiments/resolve.ts";
import { startExperiment, type Started } from "./experiments/start.ts";

/** A bench for one test: a repository, a store on disk, and no machine. What jobs would do is told by the test. */
export class TestBench {
  readonly lab: Lab;
  readonly repository: string;

  /** @param stagerOf makes what prepares this machine; without it, nothing does */
  static async open(stagerOf: (data: DataDirectory) => Stager = () => connection.stager): Promise<TestBench> {
    const data = new DataDirectory(scratchDirectory());
    const store = await openSqliteStore(data.database);
    onTestFinished(() => store.close());
    store.closeTurnsWith(followInTurn);
    return new TestBench({
      store,
      data,
      lanes: new Lanes(store, () => ({ ...connection, stager: stagerOf(data) })),
      driving: new Driving(null),
      log: pino({ level: "silent" }),
      version: "0.0.0",
    });
  }

  private constructor(lab: Lab) {
    this.lab = lab;
    this.repository = scratchRepository({ "run.sh": "true\n" });
  }

  get db() {
    return this.lab.store.db;
  }

  /** Writes files; what is not committed is snapshotted. */
  write(files: Record<string, string>): void {
    writeFiles(this.repository, files);
  }

  async resolve(definition: Record<string, unknown>): Promise<ResolvedExperiment> {
    // Every JSON document is YAML.
    this.write({ "experiment.yaml": JSON.stringify({ ...small, ...definition }) });
    return resolveExperiment({ file: join(this.repository, "experiment.yaml"), search_path: "/bin" }, this.lab);
  }

  async start(definition: Record<string, unknown> = {}): Promise<Started> {
    return startExperiment(this.lab, "person:test", await this.resolve(definition));
  }

  experiment(id: string): Promise<ExperimentRecord> {
    return experimentById(this.db, id);
  }

  runs(id: string): Promise<RunRecord[]> {
    return runsOfExperiment(this.db, id);
  }

  append(...events: DomainEvent[]): Promise<void> {
    return this.lab.store.transact("test", (transaction) => transaction.append(events));
  }

  /** What is written when a run starts. Returns the id of the attempt. */
  begin(run: RunRecord, gpus: string[] = []): Promise<string> {
    return this.#begin(run, gpus, gpus.length);
  }

  /** The same at a scheduler, which alone knows what cards it gives. @param gpus how many were asked for */
  beginAtScheduler(run: RunRecord, gpus: number): Promise<string> {
    return this.#begin(run, [], gpus);
  }

  async #begin(run: RunRecord, held: string[], gpus: number): Promise<string> {
    const number = run.attempts + 1;
    const id = `${run.id.slice(0, 16)}-${number}`;
    const resources = { cpus: 1, gpus, gpu_memory: null, memory: null, time: null };
    const where = {
      compute: "local",
      compute_id: "local",
      host: "h",
      directory: "/d",
      lease: { cpus: 1, memory: 0, gpus: held },
      resources,
      needs: (await outputsFor(this.db, [run])).get(run.id) ?? {},
    };
    await this.append(
      {
        kind: "attempt.queued",
        entity: id,
        data: { run_id: run.id, experiment_id: run.experiment_id, number, ...where },
      },
      { kind: "attempt.submitted", entity: id, data: { job: null } },
    );
    return id;
  }

  /** What is written when a run succeeds. */
  async finish(
    run: RunRecord,
    metrics: Record<string, number>,
    inputs_hash: string | null = null,
    duration = 1,
    outputs_hash = "0".repeat(64),
  ): Promise<void> {
    await this.succeed(await this.begin(run), metrics, { inputs_hash, duration, outputs_hash });
  }

  /** What is written when an attempt succeeds that has begun. */
  async succeed(
    id: string,
    metrics: Record<string, number>,
    { inputs_hash = null, duration = 1, outputs_hash = "0".repeat(64) }: Partial<Left> = {},
  ): Promise<void> {
    const { run_id } = await this.db
      .selectFrom("attempts")
      .select("run_id")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    const ended = {
      state: "succeeded" as const,
      exit: { code: 0, signal: null },
      category: null,
      evidence: null,
      memory_peak: null,
      gpu_memory_peak: null,
      started_at: null,
      finished_at: new Date().toISOString(),
      duration,
    };
    await this.append(
      { kind: "attempt.finished", entity: id, data: ended },
      {
        kind: "result.recorded",
        entity: id,
        data: { run_id, metrics, inputs_hash, artifacts: [], outputs_hash, warnings: [] },
      },
      { kind: "run.completed", entity: run_id, data: { attempt_id: id } },
    );
  }

  /** Finishes every pending run with a loss that its arm and seed give. */
  async finishAll(id: string, loss: (run: RunRecord) => number): Promise<void> {
    for (const run of await this.runs(id)) if (run.state === "pending") await this.finish(run, { loss: loss(run) });
  }
}

/** What an attempt left, besides its metrics. */
interface Left {
  inputs_hash: string | null;
  duration: number;
  outputs_hash: string;
}

/** Code that is identified is `run.sh` alone, so that other files may change. */
export const small = {
  name: "small",
  metrics: { loss: { goal: "minimize" } },
  arms: { a: { role: "baseline" }, b: { role: "ours" } },
  tasks: { t: {} },
  seeds: [1, 2, 3],
  code: ["run.sh"],
  environment: { manager: "none" },
  run: "sh run.sh {seed}",
};

export const rule = {
  comparisons: [{ better: "b", than: "a", metric: "loss", test: "paired-t", alpha: 0.05 }],
};

/** Nothing that is tested with this bench asks a machine. */
const connection: Connection = {
  executor: silent<Executor>("executor", {
    onChange: () => () => undefined,
    keptDirectories: () => Promise.resolve([]),
  }),
  stager: silent<Stager>("stager", {}),
  dial: dialHere,
  scheduler: null,
};

function silent<Part extends object>(name: string, has: Partial<Part>): Part {
  return new Proxy(has as Part, {
    get: (part, member) => {
      if (member in part) return part[member as keyof Part];
      throw new Error(`the ${name} was asked for ${String(member)}`);
    },
  });
}
