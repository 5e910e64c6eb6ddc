import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { contentHash } from "../../domain/canonical.ts";
import { artifactsOf, plannedRuns } from "../../domain/design.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Environment, Experiment } from "../../domain/experiment.ts";
import { parseExperiment } from "../../domain/files/parse-experiment.ts";
import { hasKey, positionOf } from "../../domain/files/source.ts";
import { planHash, runKey } from "../../domain/identity.ts";
import { identifyRuns, type IdentifiedRun } from "../../domain/needs.ts";
import type {
  CodeVersion,
  EnvironmentIdentity,
  ExperimentRecord,
  InputIdentity,
  NeededExperiment,
} from "../../domain/records.ts";
import { environmentIdentity } from "../../provenance/environment.ts";
import { findRepository } from "../../provenance/git.ts";
import { hashInputs } from "../../provenance/inputs.ts";
import { snapshot, type Snapshot } from "../../provenance/snapshot.ts";
import { codeIdentity, readCommitted } from "../../provenance/tree.ts";
import type { Lab } from "../lab/lab.ts";
import { refuseMissingCommand } from "../computes/command-check.ts";
import { findNeeded, refuseNeedProblems, type NeededRuns } from "./needed-experiments.ts";
import { findCompute, readSettings } from "../lab/settings.ts";

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
  /** Whether the file says which code identifies the runs; the whole repository does where it does not. */
  names_code: boolean;
  environment: EnvironmentIdentity;
  inputs: Record<string, InputIdentity>;
  search_path: string;
  needs: Record<string, NeededExperiment>;
  runs: IdentifiedRun[];
}

/**
 * Reads an experiment file, names the code as it is now by a commit, and computes the key of every run. The commit has
 * no reference before the experiment starts: a plan, or a file that is refused, leaves the repository as it was.
 *
 * @param foresee told the environment as soon as it is known that runs may start on this machine
 * @throws RigorError when the file, the repository, an input, a needed experiment or the lock is not as it must be;
 *   nothing is changed.
 */
export async function resolveExperiment(
  request: ResolveRequest,
  { data, store }: Pick<Lab, "data" | "store">,
  foresee: (environment: Environment) => void = () => undefined,
): Promise<ResolvedExperiment> {
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
  if (computes.some(({ kind }) => kind === "local")) foresee(definition.environment);
  const code = await snapshot(repository, { keep: false });
  const file = relative(repository, path);
  return identify({ definition, text, file, repository, code, search_path: request.search_path }, { data, store });
}

export interface CommittedRequest {
  repository: string;
  /** The commit whose code runs, and whose experiment file is read. */
  commit: string;
  /** The experiment file, relative to the repository. */
  file: string;
  search_path: string;
  /** Makes another design of the one that the file declares. */
  change?: (definition: Experiment) => Experiment;
}

/**
 * As {@link resolveExperiment}, for a commit in place of the files as they are now. Inputs are read from the repository's
 * files, because data is not committed.
 *
 * @throws RigorError as there, and `not-found` where the commit has no such file
 */
export async function resolveCommitted(
  { repository, commit, file, search_path, change = (definition) => definition }: CommittedRequest,
  lab: Pick<Lab, "data" | "store">,
): Promise<ResolvedExperiment> {
  const settings = readSettings(repository);
  const content = await readCommitted(repository, commit, file);
  if (content === null) {
    throw new RigorError("not-found", `The commit ${commit.slice(0, 12)} has no file ${file}.`, {
      next: "Commit the experiment file.",
    });
  }
  const text = content.toString("utf8");
  const compute = Object.keys(settings.compute);
  const definition = change(parseExperiment(text, { file, maxRuns: settings.limits.max_runs, compute }));
  const code = { commit, base: commit, branch: null, dirty: false, changed_files: [] };
  return identify({ definition, text, file, repository, code, search_path }, lab);
}

interface ReadExperiment {
  definition: Experiment;
  /** The file's content, for messages. */
  text: string;
  file: string;
  repository: string;
  code: Pick<Snapshot, "commit" | "base" | "branch" | "dirty" | "changed_files">;
  search_path: string;
}

/** Names the code, the environment, the inputs and every run of an experiment. */
async function identify(
  { definition, text, file, repository, code, search_path }: ReadExperiment,
  { data, store }: Pick<Lab, "data" | "store">,
): Promise<ResolvedExperiment> {
  const { commit, base, branch, dirty, changed_files } = code;
  const settings = readSettings(repository);
  const isHere = definition.compute.some((name) => findCompute(settings, name).kind === "local");
  // What other machines have is seen when it is prepared there.
  const asked = { definition, file, search_path, source: { repository, commit } };
  const command = isHere ? refuseMissingCommand(asked, text) : Promise.resolve();
  // Heard below, after what is refused before.
  command.catch(() => undefined);
  const place = { file, text };
  const [trees, environment, inputs] = await Promise.all([
    codeIdentity(repository, commit, definition.code).catch(refusedAt(place, "code")),
    environmentIdentity(repository, commit, definition.environment).catch(refusedAt(place, "environment")),
    hashInputs(repository, definition.inputs, data.inputHashes).catch(refusedAt(place, "inputs")),
  ]);
  await command;
  const resolved = {
    definition,
    plan_hash: planHash(definition),
    file,
    source: { repository, commit, base, branch, dirty, code: trees },
    changed_files,
    names_code: hasKey(text, "code"),
    environment,
    inputs,
    search_path,
  };
  const needed = await findNeeded(store.db, definition, { file, text });
  const { runs, problems } = runsOf(resolved, needed);
  refuseNeedProblems(problems, { file, text });
  return { ...resolved, runs, needs: needed.records(runs) };
}

/** Names the place in the file of what it is that was refused. */
function refusedAt({ file, text }: Pick<ReadExperiment, "file" | "text">, key: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RigorError) || !hasKey(text, key)) throw error;
    const { line, column } = positionOf(text, [key]);
    const { code, message, next } = error;
    throw new RigorError(code, `${file}:${line}:${column}: ${key}: ${message}`, {
      ...(next === undefined ? {} : { next }),
      cause: error,
    });
  };
}

/** Equal for two experiments that ask for the same runs under the same plan. */
export function fingerprint(
  experiment: Pick<ExperimentRecord, "plan_hash" | "source" | "environment" | "inputs" | "needs">,
): string {
  const { plan_hash, source, environment, inputs } = experiment;
  const hashes = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.sha256]));
  const needs = Object.fromEntries(Object.entries(experiment.needs).map(([name, { runs_hash }]) => [name, runs_hash]));
  return contentHash({ plan_hash, code: source.code, environment: environment.key, inputs: hashes, needs });
}

function runsOf(experiment: Omit<ResolvedExperiment, "runs" | "needs">, needed: NeededRuns) {
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
  return identifyRuns(definition, plannedRuns(definition), needed.offers, ({ cell, seed }, needs) => {
    const { arm, task, parameters } = cell;
    return runKey({ ...shared, arm, task, parameters, seed, needs, artifacts: artifactsOf(definition, arm) });
  });
}

async function existingFile(file: string): Promise<string> {
  const path = await realpath(file).catch((cause: unknown) => {
    throw new RigorError("not-found", `There is no file ${file}.`, {
      next: "Name an experiment file; `rigor init` writes a first one.",
      cause,
    });
  });
  // A pipe may never have an end.
  if ((await stat(path)).isFile()) return path;
  throw new RigorError("usage", `${file} is no ordinary file.`, { next: "Name an experiment file." });
}
