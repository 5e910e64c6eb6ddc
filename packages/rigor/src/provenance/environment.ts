import { mkdir, readFile, rm } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { RigorError } from "../domain/errors.ts";
import type { Environment } from "../domain/experiment.ts";
import { describeEnd, runBuildCommand } from "./build-command.ts";
import { buildFailure } from "./build-failure.ts";
import { removeCheckout } from "./checkout.ts";
import {
  buildLog,
  buildPlan,
  buildVariables,
  builtEnvironment,
  describeBuild,
  describeMachine,
  inheritedVariables,
  passedVariables,
  requireTool,
} from "./environment-build.ts";
import { environmentSource, type EnvironmentSource } from "./environment-identity.ts";
import {
  completeText,
  environmentName,
  parseComplete,
  type BuiltEnvironment,
  type EnvironmentRecord,
} from "./environment-record.ts";
import type { BuildPlan, EnvironmentManager, Installed } from "./environments/manager.ts";
import { environmentManagers } from "./environments/registry.ts";
import { withFileLock } from "./file-lock.ts";
import { writeWhole } from "./files.ts";
import { thisMachine } from "./machines/this-machine.ts";
import { exportFiles } from "./tree.ts";
import { isMissing } from "../hosts/system-errors.ts";

export { environmentIdentity } from "./environment-identity.ts";
export type { BuiltEnvironment } from "./environment-record.ts";

export interface EnvironmentRequest {
  repository: string;
  commit: string;
  environment: Environment;
  /** Directory that holds all environments of this machine. */
  root: string;
  /** What this machine has by itself, where that was asked before. */
  installed?: Promise<Installed> | undefined;
  /** Told the directory of the environment before it is looked for. */
  onUse?: (directory: string) => void;
  /** Told the log of a build that is begun or waited for. */
  onBuild?: (logFile: string) => void;
  /** Told each line of a build, and that another process is building. */
  log?: (line: string) => void;
  signal?: AbortSignal;
}

const running = new Map<string, Promise<BuiltEnvironment>>();

/**
 * The environment of a commit, built once per key on this machine, however many processes ask at once. Built in place,
 * because a virtual environment cannot be moved; it counts only once its `complete.json` is there. The log of the last
 * build stays beside the directory.
 *
 * @throws RigorError `environment`, `network` or `storage` with the last lines of the build and the path of its log.
 */
export async function ensureEnvironment(request: EnvironmentRequest): Promise<BuiltEnvironment> {
  const source = await environmentSource(request.repository, request.commit, request.environment);
  if (source.manager === "none") {
    return describeMachine(request.environment, source.key, thisMachine, request.installed);
  }
  const directory = environmentDirectory(request.root, source);
  request.onUse?.(directory);
  const present = running.get(directory);
  if (present !== undefined) return present;
  const made = ensure(request, source, directory).finally(() => running.delete(directory));
  running.set(directory, made);
  return made;
}

/** Whether the environment of a key is there and complete. */
export async function isBuilt(root: string, identity: { manager: string; key: string }): Promise<boolean> {
  return (await readComplete(environmentDirectory(root, identity))) !== null;
}

/** Where an environment lies on this machine; the log of its build is beside it. */
export function environmentDirectory(root: string, identity: { manager: string; key: string }): string {
  return resolve(root, environmentName(identity));
}

/** Removes an environment that no run uses. */
export async function removeEnvironment(directory: string): Promise<void> {
  await rm(join(directory, "complete.json"), { force: true });
  await removeCheckout(directory);
  await rm(buildLog(directory), { force: true });
}

async function ensure(
  request: EnvironmentRequest,
  source: EnvironmentSource,
  directory: string,
): Promise<BuiltEnvironment> {
  const plan = buildPlan(source, directory);
  const record = (await readComplete(directory)) ?? (await buildLocked(request, source, plan));
  return builtEnvironment(request.environment, { key: source.key, plan, record }, thisMachine);
}

async function buildLocked(
  request: EnvironmentRequest,
  source: EnvironmentSource,
  plan: BuildPlan,
): Promise<EnvironmentRecord> {
  const { directory } = plan;
  request.onBuild?.(buildLog(directory));
  const buildOnce = async () => (await readComplete(directory)) ?? (await build(request, source, plan));
  return withFileLock(`${directory}.lock`, buildOnce, {
    onWait: (holder) => request.log?.(`Another process builds this environment; ${holder}.`),
    signal: request.signal,
  });
}

async function build(
  request: EnvironmentRequest,
  source: EnvironmentSource,
  plan: BuildPlan,
): Promise<EnvironmentRecord> {
  const manager = environmentManagers[source.manager];
  const tool = await requireTool(manager, thisMachine);
  const started = Date.now();
  const log = buildLog(plan.directory);
  await removeCheckout(plan.directory);
  await mkdir(plan.directory, { recursive: true });
  await rm(log, { force: true });
  await exportFiles(request.repository, request.commit, join(plan.directory, "source"), source.exported);
  for (const command of manager.commands(plan, tool)) {
    const end = await runBuildCommand({
      command,
      directory: plan.source,
      variables: variablesHere(request.environment, manager, plan),
      secrets: Object.values(passedVariables(request.environment)),
      log_file: log,
      ...(request.log === undefined ? {} : { onLine: request.log }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    if (end.status === 0) continue;
    throw buildFailure({ step: command.join(" "), end: describeEnd(end), last_lines: end.last_lines, log });
  }
  const times = { built_at: new Date(started), seconds: (Date.now() - started) / 1000 };
  const record = await describeBuild(plan, manager, thisMachine, times);
  await writeWhole(join(plan.directory, "complete.json"), completeText(record));
  return record;
}

function variablesHere(environment: Environment, manager: EnvironmentManager, plan: BuildPlan): Record<string, string> {
  const inherited = inheritedVariables.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  const variables: Record<string, string> = { ...Object.fromEntries(inherited), ...buildVariables(environment, plan) };
  const path = [...manager.variables(plan).path_prefix, variables["PATH"] ?? ""].join(delimiter);
  return { ...variables, PATH: path };
}

async function readComplete(directory: string): Promise<EnvironmentRecord | null> {
  try {
    return parseComplete(await readFile(join(directory, "complete.json"), "utf8"));
  } catch (error) {
    if (isMissing(error)) return null;
    throw new RigorError("environment", `${join(directory, "complete.json")} cannot be read.`, {
      next: `Remove ${directory}; it is built again when it is needed.`,
      cause: error,
    });
  }
}
