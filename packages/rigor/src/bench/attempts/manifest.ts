import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, platform, release } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { AttemptDirectory, attemptPath } from "../../compute/attempt/attempt-directory.ts";
import type { HostCapacity } from "../../compute/placement/resources.ts";
import type { AttemptRecord, ExperimentRecord, GivenOutputs, RunRecord } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import type { ExitRecord, JobSpec } from "../../compute/attempt/job.ts";
import { buildManifest, type ManifestFacts, type ManifestHost, type ManifestNeed } from "../../provenance/manifest.ts";
import type { Staged } from "../../provenance/staging/stager.ts";
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
  const [started, exit] = [directory.readSpec(), directory.readExit()];
  const finished = Date.parse(outcome.finished_at);
  const manifest = buildManifest({
    experiment: reference(experiment),
    plan_hash: experiment.plan_hash,
    run_id: run.id,
    attempt: attempt.number,
    command: commandOf(started) ?? definition.run,
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
    needs: Object.fromEntries(
      Object.entries(attempt.needs).map(([folder, given]) => [folder, describeNeed(attempt, given)]),
    ),
    ...resumption(attempt, started, exit),
    outputs: outcome.outputs,
    missing_outputs: outcome.missing_outputs,
    host: describeHost(directory, attempt, host),
    // A clock that jumped back must not make the record impossible: the duration is measured by another clock.
    started_at_ms: Math.min(finished, Date.parse(outcome.started_at ?? outcome.finished_at)),
    finished_at_ms: finished,
    duration: outcome.duration,
    memory_peak: outcome.memory_peak,
    gpu_memory_peak: outcome.gpu_memory_peak,
    exit: outcome.exit ?? { code: null, signal: null },
    rigor_version: version,
  });
  writeFileSync(join(attempt.directory, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
}

const made = z.object({
  outputs: z.array(z.object({ path: z.string(), sha256: z.string(), size: z.number() })),
});

/** What an attempt was given of another run, file by file as that one's manifest has it. */
function describeNeed({ directory }: AttemptRecord, { run_id, attempt_id, sha256 }: GivenOutputs): ManifestNeed {
  const file = join(directory, "../..", attemptPath(run_id, attempt_id), "manifest.json");
  const found = existsSync(file) ? made.safeParse(JSON.parse(readFileSync(file, "utf8"))).data : undefined;
  return { run_id, attempt: attempt_id, sha256, files: found?.outputs ?? null };
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

/** The command with its values, as it was started. */
function commandOf(started: JobSpec | null): string | string[] | null {
  if (started === null) return null;
  return typeof started.command === "string" ? started.command : [...started.command];
}

/** What its last start went on from. One that its scheduler had interrupted may have saved something itself. */
function resumption(
  { id, compute }: AttemptRecord,
  started: JobSpec | null,
  exit: ExitRecord | null,
): Pick<ManifestFacts, "restarts" | "resumed_from" | "not_resumed"> {
  const restarts = exit?.restarts ?? null;
  if (exit?.resumed === true) return { restarts, resumed_from: { attempt: id, compute }, not_resumed: null };
  const resume = started?.resume ?? null;
  if (resume === null) return { restarts, resumed_from: null, not_resumed: null };
  if (resume.attempt === null) return { restarts, resumed_from: null, not_resumed: resume.reason };
  return { restarts, resumed_from: { attempt: resume.attempt, compute: resume.compute }, not_resumed: null };
}
