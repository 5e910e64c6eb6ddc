import { mkdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { z } from "zod";
import { RigorError } from "../domain/errors.ts";
import type { Environment } from "../domain/experiment.ts";
import { describeEnd, runBuildCommand } from "./build-command.ts";
import { removeCheckout } from "./checkout.ts";
import { environmentSource, type EnvironmentSource } from "./environment-identity.ts";
import type { BuildPlan, EnvironmentManager } from "./environments/manager.ts";
import { environmentManagers } from "./environments/registry.ts";
import { firstOnPath } from "./environments/tools.ts";
import { withFileLock } from "./file-lock.ts";
import { isMissing, writeWhole } from "./files.ts";
import { exportFiles } from "./tree.ts";

export { environmentIdentity } from "./environment-identity.ts";

const environmentRecord = z.object({
  manager: z.enum(["npm", "uv", "pip", "conda", "none"]),
  /** Installed package -> version. */
  packages: z.record(z.string(), z.string()),
  /** What runs them -> version: `python`, `node`. */
  runtime: z.record(z.string(), z.string()),
  built_at: z.string(),
  /** How long the build took. */
  seconds: z.number(),
  host: z.string(),
});

/** What was installed, kept with every attempt that used it. */
export type EnvironmentRecord = z.infer<typeof environmentRecord>;

export interface BuiltEnvironment {
  key: string;
  /** Null for manager `none`, which builds nothing. */
  directory: string | null;
  log_file: string | null;
  /** Variables for a run, those of the experiment included. */
  variables: Record<string, string>;
  /** Directories to put in front of PATH. */
  path_prefix: string[];
  /** Links that a checkout needs: path in the repository -> absolute target. */
  links: Record<string, string>;
  record: EnvironmentRecord;
}

export interface EnvironmentRequest {
  repository: string;
  commit: string;
  environment: Environment;
  /** Directory that holds all environments of this machine. */
  root: string;
  /** Told each line of a build, and that another process is building. */
  log?: (line: string) => void;
  signal?: AbortSignal;
}

/** Variables of the daemon that a build may see. Tokens are not among them: name those under `environment.pass`. */
const allowedVariables = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME"],
  ...["XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "CUDA_HOME", "CC", "CXX", "CFLAGS", "LDFLAGS", "MAX_JOBS"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"],
  ...["npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_cache", "NPM_CONFIG_CACHE", "NPM_CONFIG_USERCONFIG"],
  ...["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"],
  ...["UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CACHE_DIR", "UV_PYTHON", "CONDARC", "MAMBA_ROOT_PREFIX"],
];

const running = new Map<string, Promise<BuiltEnvironment>>();

/**
 * The environment of a commit, built once per key on this machine, however many processes ask at once. Built in place,
 * because a virtual environment cannot be moved; it counts only once its `complete.json` is there. The log of the last
 * build stays beside the directory.
 *
 * @throws RigorError `environment` with the last lines of the build and the path of its log.
 */
export async function ensureEnvironment(request: EnvironmentRequest): Promise<BuiltEnvironment> {
  const source = await environmentSource(request.repository, request.commit, request.environment);
  if (source.manager === "none") return describeMachine(request, source);
  const directory = environmentDirectory(request.root, source);
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
export function environmentDirectory(root: string, { manager, key }: { manager: string; key: string }): string {
  return resolve(root, `${manager}-${key.slice(0, 20)}`);
}

/** Removes an environment that no run uses. */
export async function removeEnvironment(directory: string): Promise<void> {
  await rm(join(directory, "complete.json"), { force: true });
  await removeCheckout(directory);
  await rm(logFile(directory), { force: true });
}

/** Described anew each time, because nothing says when the machine's own programs change. */
async function describeMachine(request: EnvironmentRequest, source: EnvironmentSource): Promise<BuiltEnvironment> {
  const plan = { directory: "", source: "", lock_directory: ".", lock_name: "", lock_text: "", setup: null };
  const found = await environmentManagers.none.describe(plan);
  return {
    key: source.key,
    directory: null,
    log_file: null,
    variables: { ...request.environment.variables },
    path_prefix: [],
    links: {},
    record: { manager: "none", ...found, built_at: new Date().toISOString(), seconds: 0, host: hostname() },
  };
}

async function ensure(
  request: EnvironmentRequest,
  source: EnvironmentSource,
  directory: string,
): Promise<BuiltEnvironment> {
  const manager = environmentManagers[source.manager];
  const plan: BuildPlan = {
    directory,
    source: join(directory, "source", source.lock_directory),
    lock_directory: source.lock_directory,
    lock_name: source.lock_name,
    lock_text: source.lock_text,
    setup: source.setup,
  };
  const buildOnce = async () => (await readComplete(directory)) ?? (await build(request, source, manager, plan));
  const record =
    (await readComplete(directory)) ??
    (await withFileLock(`${directory}.lock`, buildOnce, {
      onWait: (holder) => request.log?.(`Another process builds this environment; ${holder}.`),
      signal: request.signal,
    }));
  const { variables, path_prefix } = manager.variables(plan);
  return {
    key: source.key,
    directory,
    log_file: logFile(directory),
    variables: { ...variables, ...request.environment.variables },
    path_prefix,
    links: await manager.links(plan),
    record,
  };
}

async function build(
  request: EnvironmentRequest,
  source: EnvironmentSource,
  manager: EnvironmentManager,
  plan: BuildPlan,
): Promise<EnvironmentRecord> {
  const tool = await requireTool(manager);
  const started = Date.now();
  await removeCheckout(plan.directory);
  await mkdir(plan.directory, { recursive: true });
  await rm(logFile(plan.directory), { force: true });
  await exportFiles(request.repository, request.commit, join(plan.directory, "source"), source.exported);
  for (const command of manager.commands(plan, tool)) {
    const end = await runBuildCommand({
      command,
      directory: plan.source,
      variables: buildVariables(request.environment, manager, plan),
      secrets: passedVariables(request.environment).map(([, value]) => value),
      log_file: logFile(plan.directory),
      ...(request.log === undefined ? {} : { onLine: request.log }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    if (end.status !== 0) throw failure(command.join(" "), describeEnd(end), end.last_lines, plan.directory);
  }
  const record: EnvironmentRecord = {
    manager: manager.name,
    ...(await manager.describe(plan)),
    built_at: new Date(started).toISOString(),
    seconds: (Date.now() - started) / 1000,
    host: hostname(),
  };
  await writeWhole(join(plan.directory, "complete.json"), `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

async function requireTool(manager: EnvironmentManager): Promise<string> {
  const tool = await firstOnPath(manager.tools);
  if (tool !== null) return tool;
  throw new RigorError(
    "environment",
    `the environment needs ${manager.tools.join(" or ")}, which is not installed or not on PATH`,
    { next: manager.toolHint },
  );
}

function buildVariables(
  environment: Environment,
  manager: EnvironmentManager,
  plan: BuildPlan,
): Record<string, string> {
  const inherited = allowedVariables.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  const variables: Record<string, string> = {
    ...Object.fromEntries(inherited),
    ...Object.fromEntries(passedVariables(environment)),
    ...manager.buildVariables(plan),
    RIGOR_ENVIRONMENT: plan.directory,
    ...environment.variables,
  };
  const path = [...manager.variables(plan).path_prefix, variables["PATH"] ?? ""].join(delimiter);
  return { ...variables, PATH: path };
}

function passedVariables(environment: Environment): [string, string][] {
  return environment.pass.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
}

/** What a build's last lines say about its failure, and what helps. */
const remedies: readonly { pattern: RegExp; next: string }[] = [
  {
    pattern: /ENOSPC|No space left on device|Disk quota exceeded|EDQUOT/i,
    next: "The disk or its inodes are full, or a quota is reached: free space where environments are kept.",
  },
  {
    pattern:
      /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|Temporary failure in name resolution|Connection (refused|timed out)/i,
    next: "The package index cannot be reached: check the network, the proxy and the index's address, then start again.",
  },
  {
    pattern: /can only install packages when your package\.json and package-lock\.json/i,
    next: "Run `npm install`, commit package-lock.json, and start again.",
  },
  {
    pattern: /ensurepip is not available|No module named ensurepip/i,
    next: "Install Python's venv module (python3-venv on Debian), then start again.",
  },
];

const shownLines = 20;

function failure(command: string, end: string, lines: string[], directory: string): RigorError {
  const remedy = remedies.find(({ pattern }) => lines.some((line) => pattern.test(line)));
  // Some tools print their whole usage after the line that matters.
  const first = remedy === undefined ? -1 : lines.findIndex((line) => remedy.pattern.test(line));
  const shown = first === -1 ? lines.slice(-shownLines) : lines.slice(first, first + shownLines);
  return new RigorError(
    "environment",
    `the environment could not be built: ${command}: ${end}\n${shown.join("\n")}\nThe whole log: ${logFile(directory)}`,
    { next: remedy?.next ?? "Make the command succeed in a fresh clone of the repository, commit, and start again." },
  );
}

function logFile(directory: string): string {
  return `${directory}.log`;
}

async function readComplete(directory: string): Promise<EnvironmentRecord | null> {
  try {
    return environmentRecord.parse(JSON.parse(await readFile(join(directory, "complete.json"), "utf8")));
  } catch (error) {
    if (isMissing(error)) return null;
    throw new RigorError("environment", `${join(directory, "complete.json")} cannot be read`, {
      next: `Remove ${directory}; it is built again when it is needed.`,
      cause: error,
    });
  }
}
