import { writeFileSync } from "node:fs";
import { arch, platform, release } from "node:os";
import { join } from "node:path";
import type { HostCapacity } from "../compute/resources.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../domain/records.ts";
import type { AttemptOutcome } from "../domain/rules/attempt-rules.ts";
import { reference } from "../domain/rules/experiment-rules.ts";
import type { JobSpec } from "../compute/job.ts";
import { buildManifest } from "../provenance/manifest.ts";
import type { Prepared } from "./preparation.ts";

export interface ManifestSources {
  experiment: ExperimentRecord;
  run: RunRecord;
  attempt: AttemptRecord;
  outcome: AttemptOutcome;
  /** As it was started. */
  job: JobSpec;
  prepared: Prepared;
  host: HostCapacity;
  version: string;
}

/** Writes `manifest.json` into the attempt's directory: what has to be known to judge and to repeat the attempt. */
export function writeManifest(sources: ManifestSources): void {
  const { experiment, run, attempt, outcome, job, prepared, host, version } = sources;
  const { source, environment, definition } = experiment;
  const finished = Date.parse(outcome.finished_at);
  const declared = [definition.outputs.result, ...definition.outputs.artifacts];
  const outputs = outcome.result?.artifacts ?? [];
  const manifest = buildManifest({
    experiment: reference(experiment),
    plan_hash: experiment.plan_hash,
    run_id: run.id,
    attempt: attempt.number,
    command: typeof job.command === "string" ? job.command : [...job.command],
    parameters: run.parameters,
    seed: run.seed,
    arm: run.arm,
    task: run.task,
    commit: source.commit,
    base: source.base,
    dirty: source.dirty,
    code: source.code,
    environment: {
      key: environment.key,
      manager: environment.manager,
      lock_hash: environment.lock_hash,
      packages: { ...prepared.environment.record.packages, ...prepared.environment.record.runtime },
    },
    inputs: experiment.inputs,
    outputs,
    missing_outputs: outcome.result === null ? declared : [],
    host: {
      name: host.host,
      os: `${platform()} ${release()}`,
      arch: arch(),
      cpus: host.cpus,
      memory: host.memory_total,
      gpus: host.gpus.map((gpu) => ({ name: gpu.name, memory: gpu.memory_total })),
    },
    // A clock that jumped back must not make the record impossible: the duration is measured by another clock.
    started_at_ms: Math.min(finished, Date.parse(outcome.started_at ?? outcome.finished_at)),
    finished_at_ms: finished,
    exit: outcome.exit ?? { code: null, signal: null },
    rigor_version: version,
  });
  writeFileSync(join(attempt.directory, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
}
