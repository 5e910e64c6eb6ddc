import { join } from "node:path";
import { RigorError } from "../domain/errors.ts";
import type { Environment } from "../domain/experiment.ts";
import type { EnvironmentSource } from "./environment-identity.ts";
import type { BuiltEnvironment, EnvironmentRecord } from "./environment-record.ts";
import type { BuildPlan, EnvironmentManager, Installed } from "./environments/manager.ts";
import { environmentManagers } from "./environments/registry.ts";
import type { Machine } from "./machines/machine.ts";

// What builds on this machine and on another one have in common.

/** Variables of the machine that a build may see. Tokens are not among them: name those under `environment.pass`. */
export const inheritedVariables: readonly string[] = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME"],
  ...["XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "CUDA_HOME", "CC", "CXX", "CFLAGS", "LDFLAGS", "MAX_JOBS"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"],
  ...["npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_cache", "NPM_CONFIG_CACHE", "NPM_CONFIG_USERCONFIG"],
  ...["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"],
  ...["UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CACHE_DIR", "UV_PYTHON", "CONDARC", "MAMBA_ROOT_PREFIX"],
];

/** Where an environment is built; the directory is absolute. */
export function buildPlan(source: EnvironmentSource, directory: string): BuildPlan {
  const { lock_directory, lock_name, lock_text, setup } = source;
  return { directory, source: join(directory, "source", lock_directory), lock_directory, lock_name, lock_text, setup };
}

/** Variables that a build gets besides those of the machine, in the order in which later ones win. PATH is not whole. */
export function buildVariables(environment: Environment, plan: BuildPlan): Record<string, string> {
  return {
    ...passedVariables(environment),
    ...environmentManagers[environment.manager].buildVariables(plan),
    RIGOR_ENVIRONMENT: plan.directory,
    ...environment.variables,
  };
}

/** The variables of this process that the experiment hands through. */
export function passedVariables(environment: Environment): Record<string, string> {
  const values = environment.pass.map((name): [string, string | undefined] => [name, process.env[name]]);
  return Object.fromEntries(values.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** The first of a manager's tools. @throws RigorError `environment` where the machine has none of them */
export async function requireTool(manager: EnvironmentManager, machine: Machine): Promise<string> {
  const tool = await machine.firstOnPath(manager.tools);
  if (tool !== null) return tool;
  throw new RigorError(
    "environment",
    `The environment needs ${manager.tools.join(" or ")}, which is not installed or not on PATH on ${machine.host}.`,
    { next: manager.toolHint },
  );
}

/** What a machine has by itself. Asked anew for each experiment: nothing says when its programs change. */
export function askMachine(machine: Machine): Promise<Installed> {
  const plan = { directory: "", source: "", lock_directory: ".", lock_name: "", lock_text: "", setup: null };
  return environmentManagers.none.describe(plan, machine);
}

/** The machine as it is, for manager `none`. @param installed what it has, where that was asked before */
export async function describeMachine(
  environment: Environment,
  key: string,
  machine: Machine,
  installed = askMachine(machine),
): Promise<BuiltEnvironment> {
  const [found, { name }] = await Promise.all([installed, machine.facts()]);
  return {
    key,
    directory: null,
    log_file: null,
    variables: { ...environment.variables },
    path_prefix: [],
    links: {},
    record: { manager: "none", ...found, built_at: new Date().toISOString(), seconds: 0, host: name },
  };
}

/** What is known of an environment that has just been built. */
export async function describeBuild(
  plan: BuildPlan,
  manager: EnvironmentManager,
  machine: Machine,
  times: { built_at: Date; seconds: number },
): Promise<EnvironmentRecord> {
  const [found, { name }] = await Promise.all([manager.describe(plan, machine), machine.facts()]);
  const { built_at, seconds } = times;
  return { manager: manager.name, ...found, built_at: built_at.toISOString(), seconds, host: name };
}

/** How runs use an environment that is complete. */
export async function builtEnvironment(
  environment: Environment,
  built: { key: string; plan: BuildPlan; record: EnvironmentRecord },
  machine: Machine,
): Promise<BuiltEnvironment> {
  const { key, plan, record } = built;
  const manager = environmentManagers[environment.manager];
  const { variables, path_prefix } = manager.variables(plan);
  return {
    key,
    directory: plan.directory,
    log_file: buildLog(plan.directory),
    variables: { ...variables, ...environment.variables },
    path_prefix,
    links: await manager.links(plan, machine),
    record,
  };
}

/** The log of the last build, beside the environment. */
export const buildLog = (directory: string): string => `${directory}.log`;
