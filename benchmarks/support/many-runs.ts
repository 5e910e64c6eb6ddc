import { join } from "node:path";
import { pino } from "pino";
import { DataDirectory, type Lab } from "../../packages/rigor/src/bench/lab/lab.ts";
import { experimentById } from "../../packages/rigor/src/bench/records/experiment-queries.ts";
import { runsOfExperiment } from "../../packages/rigor/src/bench/records/run-queries.ts";
import { resolveExperiment } from "../../packages/rigor/src/bench/experiments/resolve.ts";
import { startExperiment } from "../../packages/rigor/src/bench/experiments/start.ts";
import { Driving } from "../../packages/rigor/src/bench/lab/driving.ts";
import { Lanes } from "../../packages/rigor/src/bench/lab/lanes.ts";
import { connector } from "../../packages/rigor/src/daemon/connections.ts";
import type { DomainEvent } from "../../packages/rigor/src/domain/events/registry.ts";
import type { ExperimentRecord, RunRecord } from "../../packages/rigor/src/domain/records.ts";
import { openSqliteStore } from "../../packages/rigor/src/store/open.ts";
import { successfulAttempt } from "./attempt-events.ts";
import type { Laboratory } from "./laboratory.ts";

const runsPerTurn = 1_000;

/** Works with the parts of a laboratory in this process; no daemon may run. */
export async function withLab<Value>(laboratory: Laboratory, work: (lab: Lab) => Promise<Value>): Promise<Value> {
  const data = new DataDirectory(laboratory.home);
  const store = await openSqliteStore(data.database);
  const log = pino({ enabled: false });
  const lanes = new Lanes(store, connector({ data, origin: store.origin, log }));
  try {
    return await work({ store, data, lanes, driving: new Driving(null), log, version: "benchmark" });
  } finally {
    await lanes.close();
    await store.close();
  }
}

/** Starts an experiment in the log alone: its runs wait. */
export async function createRuns(lab: Lab, laboratory: Laboratory, file: string): Promise<ExperimentRecord> {
  const request = { file: join(laboratory.repository, file), search_path: process.env["PATH"] ?? "" };
  const { experiment_id } = await startExperiment(lab, "benchmark", await resolveExperiment(request, lab));
  return experimentById(lab.store.db, experiment_id);
}

/** Records for every waiting run of an experiment what a successful attempt on one host leaves in the log. */
export async function completeRuns(lab: Lab, experiment: ExperimentRecord): Promise<void> {
  const runs = await runsOfExperiment(lab.store.db, experiment.id, ["pending"]);
  for (let start = 0; start < runs.length; start += runsPerTurn) {
    const events = runs
      .slice(start, start + runsPerTurn)
      .flatMap((run, index) => completed(experiment, run, start + index));
    await lab.store.transact("benchmark", (transaction) => transaction.append(events));
  }
}

function completed(experiment: ExperimentRecord, run: RunRecord, value: number): DomainEvent[] {
  return successfulAttempt({
    id: `${run.id.slice(0, 16)}-1`,
    runId: run.id,
    experimentId: experiment.id,
    resources: experiment.definition.resources,
    metrics: { value: value + 0.5 },
  });
}
