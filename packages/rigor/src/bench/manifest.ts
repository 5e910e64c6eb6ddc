import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, platform, release } from "node:os";
import { join } from "node:path";
import { AttemptDirectory } from "../compute/attempt-directory.ts";
import type { HostCapacity } from "../compute/resources.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../domain/records.ts";
import { reference } from "../domain/rules/experiment-rules.ts";
import type { JobSpec } from "../compute/job.ts";
import { buildManifest, type ManifestHost } from "../provenance/manifest.ts";
import type { Staged } from "../provenance/staging/stager.ts";
import type { ObservedOutcome } from "./outcome.ts";

export interface ManifestSources {
  experiment: ExperimentRecord;
  run: RunRecord;
  attempt: AttemptRecord;
  outcome: ObservedOutcome;
  /** Null when the environment could no longer be read; the key still names it. */
  prepared: Staged | null;
  host: {
    /** Whether it ran on this machine. */
    isHere: boolean;
    /** Null for a cluster, and for a machine that was not looked at yet. */
    capacity: HostCapacity | null;
  };
  version: string;
}

/**
 * Writes `manifest.json` into the attempt's directory: what has to be known to judge and to repeat the attempt.
 * An attempt that was withdrawn before it was handed over has no directory, and ran nothing.
 */
export function writeManifest(sources: ManifestSources): void {
  const { experiment, run, attempt, outcome, prepared, host, version } = sources;
  const directory = new AttemptDirectory(attempt.directory);
  if (!existsSync(directory.spec)) return;
  const { source, environment, definition } = experiment;
  const finished = Date.parse(outcome.finished_at);
  const manifest = buildManifest({
    experiment: reference(experiment),
    plan_hash: experiment.plan_hash,
    run_id: run.id,
    attempt: attempt.number,
    command: startedCommand(directory) ?? definition.run,
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
      packages: { ...prepared?.environment.record.packages, ...prepared?.environment.record.runtime },
    },
    inputs: experiment.inputs,
    outputs: outcome.outputs,
    missing_outputs: outcome.missing_outputs,
    host: describeHost(directory, attempt, host),
    // A clock that jumped back must not make the record impossible: the duration is measured by another clock.
    started_at_ms: Math.min(finished, Date.parse(outcome.started_at ?? outcome.finished_at)),
    finished_at_ms: finished,
    duration: outcome.duration,
    exit: outcome.exit ?? { code: null, signal: null },
    rigor_version: version,
  });
  writeFileSync(join(attempt.directory, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
}

/** The machine that executed it, by its own name, as far as it is known. */
function describeHost(
  directory: AttemptDirectory,
  attempt: AttemptRecord,
  { isHere, capacity }: ManifestSources["host"],
): ManifestHost {
  return {
    name: directory.readProcess()?.host ?? attempt.host,
    os: isHere ? `${platform()} ${release()}` : null,
    arch: isHere ? arch() : null,
    cpus: capacity?.cpus ?? null,
    memory: capacity?.memory_total ?? null,
    gpus: (capacity?.gpus ?? []).map((gpu) => ({ name: gpu.name, memory: gpu.memory_total })),
  };
}

/** The command with its values, as it was started; null when the specification can no longer be read. */
function startedCommand(directory: AttemptDirectory): string | string[] | null {
  try {
    const { command } = JSON.parse(readFileSync(directory.spec, "utf8")) as Pick<JobSpec, "command">;
    return typeof command === "string" ? command : [...command];
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
