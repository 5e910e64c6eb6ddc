import { contentHash, type Json } from "./canonical.ts";
import type { Environment, Experiment } from "./experiment.ts";

/** Everything that makes a run what it is: two runs that agree in all of it are the same run. */
export interface RunIdentity {
  /** Path in the repository -> git object id of what is committed there. */
  code: Record<string, string>;
  /** The command with its placeholders, because values such as the output directory differ between attempts. */
  command: string | readonly string[];
  /** Arm and task reach the run as RIGOR_ARM and RIGOR_TASK and as placeholders, so it may depend on their names. */
  arm: string;
  task: string;
  /** Values of arm, task and grid together. */
  parameters: Record<string, Json>;
  seed: number;
  /** Name of the input -> SHA-256 of its content. */
  inputs: Record<string, string>;
  /** Folder below `RIGOR_NEEDS` -> key of the run whose outputs are in it. */
  needs: Record<string, string>;
  environment: EnvironmentIdentity;
  /** The file that the metrics were read from. */
  result: string;
  /** What else is kept of the run: a run that has left less is none that can be given to others in its place. */
  artifacts: readonly string[];
}

/** Variables that are handed through (`pass`) are never recorded and so do not count. */
export type EnvironmentIdentity = Pick<Environment, "manager" | "setup" | "variables"> & {
  /** SHA-256 of the lock file; null without one. */
  lock: string | null;
  /** Object ids of committed files that lock or setup name. */
  local: Record<string, string>;
};

/** Grows when the meaning of the identity changes, so that old keys never fit by accident. */
const identityVersion = 1;

/**
 * The key of a run, as 64 hexadecimal digits. Resources, retries, stages, checks and the names of compute do not
 * count: they say how and when a run happens, not what it is.
 */
export function runKey(identity: RunIdentity): string {
  const { code, command, arm, task, parameters, seed, inputs, needs, environment, result, artifacts } = identity;
  const { manager, setup, variables, lock, local } = environment;
  return contentHash({
    version: identityVersion,
    code,
    command,
    arm,
    task,
    parameters,
    seed,
    inputs,
    // A run that needs no other has the key that it had before runs could need others.
    ...(Object.keys(needs).length === 0 ? {} : { needs }),
    environment: { manager, setup, variables, lock, local },
    result,
    ...(artifacts.length === 0 ? {} : { artifacts: artifacts.toSorted() }),
  });
}

/**
 * The hash of a plan's whole content. Formatting, comments and the order of keys of its file do not count, nor does
 * `compute`: it says where runs are made, not what they are.
 */
export function planHash(experiment: Experiment): string {
  const { compute: _, ...plan } = experiment;
  return contentHash(plan);
}
