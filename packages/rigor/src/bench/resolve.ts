import { readFile, realpath } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { contentHash } from "../domain/canonical.ts";
import { plannedRuns, type PlannedRun } from "../domain/design.ts";
import { RigorError } from "../domain/errors.ts";
import type { Experiment } from "../domain/experiment.ts";
import { parseExperiment } from "../domain/files/parse-experiment.ts";
import { planHash, runKey } from "../domain/identity.ts";
import type { CodeVersion, EnvironmentIdentity, ExperimentRecord, InputIdentity } from "../domain/records.ts";
import { environmentIdentity } from "../provenance/environment.ts";
import { findRepository } from "../provenance/git.ts";
import { hashInputs } from "../provenance/inputs.ts";
import { snapshot } from "../provenance/snapshot.ts";
import { requireNoSubmodules, treeIdentity } from "../provenance/tree.ts";
import type { DataDirectory } from "./lab.ts";
import { refuseMissingCommand } from "./command-check.ts";
import { findCompute, readSettings } from "./settings.ts";

export interface ResolveRequest {
  /** Absolute path of the experiment file. */
  file: string;
  search_path: string;
  max_runs?: number | undefined;
  compute?: string[] | undefined;
}

/** An experiment file with everything that identifies its runs. Nothing of it is in the log yet. */
export interface ResolvedExperiment {
  definition: Experiment;
  plan_hash: string;
  /** Relative to the repository. */
  file: string;
  source: CodeVersion;
  changed_files: string[];
  environment: EnvironmentIdentity;
  inputs: Record<string, InputIdentity>;
  search_path: string;
  runs: ResolvedRun[];
}

export interface ResolvedRun extends PlannedRun {
  key: string;
}

/**
 * Reads an experiment file, names the code as it is now by a commit, and computes the key of every run. The commit has
 * no reference before the experiment starts: a plan, or a file that is refused, leaves the repository as it was.
 *
 * @throws RigorError when the file, the repository, an input or the lock is not as it must be; nothing is changed.
 */
export async function resolveExperiment(request: ResolveRequest, data: DataDirectory): Promise<ResolvedExperiment> {
  const path = await existingFile(request.file);
  const repository = await findRepository(dirname(path));
  const settings = readSettings(repository);
  const text = await readFile(path, "utf8");
  const definition = parseExperiment(text, {
    file: relative(repository, path),
    maxRuns: request.max_runs ?? settings.limits.max_runs,
    compute: Object.keys(settings.compute),
  });
  if (request.compute !== undefined) definition.compute = request.compute;
  const computes = definition.compute.map((name) => findCompute(settings, name));

  const code = await snapshot(repository, { keep: false });
  await requireNoSubmodules(repository, code.commit, definition.code);
  const [trees, environment, inputs] = await Promise.all([
    treeIdentity(repository, code.commit, definition.code),
    environmentIdentity(repository, code.commit, definition.environment),
    hashInputs(repository, definition.inputs, data.inputHashes),
  ]);
  const { commit, base, branch, dirty } = code;
  const resolved = {
    definition,
    plan_hash: planHash(definition),
    file: relative(repository, path),
    source: { repository, commit, base, branch, dirty, code: trees },
    changed_files: code.changed_files,
    environment,
    inputs,
    search_path: request.search_path,
  };
  // What other machines have is seen when it is prepared there.
  if (computes.some(({ kind }) => kind === "local")) await refuseMissingCommand(resolved, text);
  return { ...resolved, runs: runsOf(resolved) };
}

/** Equal for two experiments that ask for the same runs under the same plan. */
export function fingerprint(
  experiment: Pick<ExperimentRecord, "plan_hash" | "source" | "environment" | "inputs">,
): string {
  const { plan_hash, source, environment, inputs } = experiment;
  const hashes = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.sha256]));
  return contentHash({ plan_hash, code: source.code, environment: environment.key, inputs: hashes });
}

function runsOf(experiment: Omit<ResolvedExperiment, "runs">): ResolvedRun[] {
  const { definition, source, environment, inputs } = experiment;
  const shared = {
    code: source.code,
    command: definition.run,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.sha256])),
    environment: {
      manager: definition.environment.manager,
      setup: environment.setup,
      variables: definition.environment.variables,
      lock: environment.lock_hash,
      local: environment.local,
    },
    result: definition.outputs.result,
  };
  return plannedRuns(definition).map((run) => {
    const { arm, task, parameters } = run.cell;
    return { ...run, key: runKey({ ...shared, arm, task, parameters, seed: run.seed }) };
  });
}

async function existingFile(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    throw new RigorError("not-found", `There is no file ${file}.`, {
      next: "Name an experiment file; `rigor init` writes a first one.",
      cause: error,
    });
  }
}
