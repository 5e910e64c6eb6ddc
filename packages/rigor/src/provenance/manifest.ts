import { statSync } from "node:fs";
import { join, posix } from "node:path";
import type { Json } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import { hashFile, listFiles, mapLimited } from "./files.ts";
import { treeHash, type InputHash } from "./inputs.ts";
import { isMissing } from "../hosts/system-errors.ts";

export interface OutputFile {
  /** Relative to the attempt's output directory, with `/`. */
  path: string;
  sha256: string;
  /** Bytes. */
  size: number;
}

/** The machine that an attempt ran on. */
export interface ManifestHost {
  name: string;
  /** Null for another machine than this. */
  os: string | null;
  arch: string | null;
  cpus: number | null;
  /** Bytes. */
  memory: number | null;
  gpus: { name: string; memory: number | null }[];
}

/** Outputs of another run that an attempt was given. */
export interface ManifestNeed {
  run_id: string;
  attempt: string;
  /** Of all its files together, as of an input. */
  sha256: string;
  /** Null where the attempt that made them left no manifest. */
  files: OutputFile[] | null;
}

/** What has to be known to judge and to repeat one attempt. Written once, when the attempt has ended. */
export interface Manifest {
  schema: 1;
  experiment: string;
  plan_hash: string | null;
  run_id: string;
  attempt: number;
  /** A shell command or an argument list, as it was started. */
  command: string | string[];
  parameters: Record<string, Json>;
  seed: number;
  arm: string;
  task: string;
  commit: string;
  /** The commit on a branch that a snapshot was made from; equal to `commit` for a clean tree. */
  base: string | null;
  dirty: boolean;
  /** Code path -> object id in `commit`. */
  code: Record<string, string>;
  environment: {
    key: string;
    manager: string;
    lock_hash: string | null;
    /** Name -> version, as installed. */
    packages: Record<string, string>;
  };
  inputs: Record<string, InputHash>;
  /** Folder below `RIGOR_NEEDS` -> the result that it held. */
  needs: Record<string, ManifestNeed>;
  /**
   * How often its scheduler interrupted it and started it again. Its times, and what was measured, are those of its last
   * start. Null where the job left no record of its end.
   */
  restarts: number | null;
  /**
   * The attempt whose checkpoints its last start went on from, and the name of its compute: an earlier one, or this one
   * itself where it was started again.
   */
  resumed_from: { attempt: string; compute: string } | null;
  /** Why it started anew although an earlier attempt left checkpoints; null where there were none. */
  not_resumed: string | null;
  outputs: OutputFile[];
  /** Declared outputs that the run did not write. */
  missing_outputs: string[];
  host: ManifestHost;
  /** ISO 8601, UTC. */
  started_at: string;
  finished_at: string;
  /** Seconds, by a clock that never jumps; null where the job left no record of its end. */
  duration: number | null;
  /** Bytes: the most that was seen in use, and of the card that had most. */
  memory_peak: number | null;
  gpu_memory_peak: number | null;
  exit: { code: number | null; signal: string | null };
  rigor_version: string;
}

export type ManifestFacts = Omit<Manifest, "schema" | "started_at" | "finished_at"> & {
  started_at_ms: number;
  finished_at_ms: number;
};

/** The manifest of an attempt from what is known at its end; keys have a fixed order and outputs are sorted. */
export function buildManifest(facts: ManifestFacts): Manifest {
  const { started_at_ms, finished_at_ms } = facts;
  if (!(finished_at_ms >= started_at_ms)) {
    throw new RigorError("internal", `attempt ${facts.attempt} of ${facts.run_id} ended before it started.`);
  }
  return {
    schema: 1,
    experiment: facts.experiment,
    plan_hash: facts.plan_hash,
    run_id: facts.run_id,
    attempt: facts.attempt,
    command: facts.command,
    parameters: facts.parameters,
    seed: facts.seed,
    arm: facts.arm,
    task: facts.task,
    commit: facts.commit,
    base: facts.base,
    dirty: facts.dirty,
    code: sortedByKey(facts.code),
    environment: { ...facts.environment, packages: sortedByKey(facts.environment.packages) },
    inputs: sortedByKey(facts.inputs),
    needs: sortedByKey(facts.needs),
    restarts: facts.restarts,
    resumed_from: facts.resumed_from,
    not_resumed: facts.not_resumed,
    outputs: facts.outputs.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    missing_outputs: facts.missing_outputs.toSorted(),
    host: facts.host,
    started_at: new Date(started_at_ms).toISOString(),
    finished_at: new Date(finished_at_ms).toISOString(),
    duration: facts.duration,
    memory_peak: facts.memory_peak,
    gpu_memory_peak: facts.gpu_memory_peak,
    exit: facts.exit,
    rigor_version: facts.rigor_version,
  };
}

/**
 * Hashes the declared outputs of an attempt, and all of them together as an input of these files is. A directory stands for all files in it. What is not there is listed,
 * because whether it is an error is for the checks to say.
 *
 * @throws RigorError `file-invalid` for a path outside the directory.
 */
export async function hashOutputs(
  directory: string,
  paths: readonly string[],
): Promise<{ outputs: OutputFile[]; missing: string[]; sha256: string }> {
  const outputs = new Map<string, OutputFile & { executable: boolean }>();
  const missing: string[] = [];
  for (const path of paths) {
    const inside = insidePath(path);
    const found = await hashAt(join(directory, inside), inside);
    if (found === null) missing.push(path);
    for (const file of found ?? []) outputs.set(file.path, file);
  }
  const files = [...outputs.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return {
    outputs: files.map(({ path, sha256, size }) => ({ path, sha256, size })),
    missing,
    sha256: treeHash(files),
  };
}

/** Null for what is not there, and for what a run made so that it cannot be read: a pipe, a loop of links, no permission. */
async function hashAt(absolute: string, path: string): Promise<(OutputFile & { executable: boolean })[] | null> {
  try {
    const files = await filesAt(absolute, path);
    if (files === null) return null;
    return await mapLimited(files, 4, async (file) => {
      const { size, mode } = statSync(file.absolute);
      return { path: file.path, sha256: await hashFile(file.absolute), size, executable: (mode & 0o100) !== 0 };
    });
  } catch (error) {
    if (isMissing(error) || isUnreadable(error)) return null;
    throw error;
  }
}

async function filesAt(absolute: string, path: string): Promise<{ path: string; absolute: string }[] | null> {
  // A run has one small file as a rule: to ask the disk takes less time than to ask another thread to do it.
  const found = statSync(absolute);
  if (found.isFile()) return [{ path, absolute }];
  if (!found.isDirectory()) return null;
  return (await listFiles(absolute)).map((file) => ({ path: posix.join(path, file.path), absolute: file.absolute }));
}

function isUnreadable(error: unknown): boolean {
  if (!(error instanceof Error && "code" in error)) return false;
  // The last two are about links that lead nowhere or in a circle.
  return ["ELOOP", "EACCES", "EPERM", "not-found", "not-possible"].includes(String(error.code));
}

function insidePath(path: string): string {
  const normal = posix.normalize(path).replace(/\/+$/, "");
  if (posix.isAbsolute(normal) || normal === ".." || normal.startsWith("../")) {
    throw new RigorError("file-invalid", `The output ${path} is outside the run's output directory.`, {
      next: "Write outputs below $RIGOR_OUTPUT, and name them relative to it.",
    });
  }
  return normal;
}

function sortedByKey<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
