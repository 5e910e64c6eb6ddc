import { createHash } from "node:crypto";
import { posix } from "node:path";
import { contentHash } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import type { Environment } from "../domain/experiment.ts";
import type { LocalReferences } from "./environments/manager.ts";
import { environmentManagers } from "./environments/registry.ts";
import type { Machine } from "./machines/machine.ts";
import { thisMachine } from "./machines/this-machine.ts";
import { objectIds, readCommitted, repositoryPath } from "./tree.ts";

export interface EnvironmentIdentity {
  manager: Environment["manager"];
  /** Path of the lock in the repository; null for a manager without one. */
  lock: string | null;
  /** SHA-256 of the committed lock. */
  lock_hash: string | null;
  /** As the experiment file states it; null takes the manager's own commands. */
  setup: string | null;
  /** Local files that lock or setup name -> object id in the commit: a wheel, a workspace, a script. */
  local: Record<string, string>;
  /** Names one build: equal keys need no second one on the machine that it is for. */
  key: string;
}

/** What is needed to build, besides the identity. */
export interface EnvironmentSource extends EnvironmentIdentity {
  lock_directory: string;
  lock_name: string;
  lock_text: string;
  /** Committed paths to copy before the build. */
  exported: string[];
}

/**
 * Names the environment of a commit on a machine. The key follows from manager, committed lock, setup, variables, platform, the
 * version of the runtime, and the content of local files that lock or setup name: a local wheel, a workspace, a
 * script. What such a script reads besides is not seen; declare it in the lock or name it in the setup.
 *
 * @throws RigorError `environment` for a lock that is not committed or cannot be read.
 */
export async function environmentIdentity(
  repository: string,
  commit: string,
  environment: Environment,
  machine: Machine = thisMachine,
): Promise<EnvironmentIdentity> {
  const source = await environmentSource(repository, commit, environment, machine);
  const { manager, lock, lock_hash, setup, local, key } = source;
  return { manager, lock, lock_hash, setup, local, key };
}

/** As {@link environmentIdentity}, with what a build needs. */
export async function environmentSource(
  repository: string,
  commit: string,
  environment: Environment,
  machine: Machine = thisMachine,
): Promise<EnvironmentSource> {
  const { os, arch } = await machine.facts();
  const platform = { os, arch };
  const manager = environmentManagers[environment.manager];
  const setup = environment.setup === manager.defaultSetup ? null : environment.setup;
  const lock = environment.lock ?? manager.defaultLock;
  if (environment.manager === "none" || lock === null) return unbuilt(environment, setup, platform);
  const content = await readLock(repository, commit, lock);
  const lock_directory = posix.dirname(repositoryPath(lock));
  const lock_name = posix.basename(lock);
  const lock_text = content.toString("utf8");
  const inRepository = (path: string) => repositoryPath(posix.join(lock_directory, path));
  const read = async (path: string) =>
    (await readCommitted(repository, commit, inRepository(path)))?.toString("utf8") ?? null;
  const references = await readReferences(lock, () => manager.references({ name: lock_name, text: lock_text, read }));
  const isPlain = setup === null || manager.isPlainSetup(setup);
  const named = [...references.paths.map(inRepository), ...(isPlain ? [] : setupPaths(setup, lock_directory))];
  const local = Object.fromEntries(await objectIds(repository, commit, [...new Set(named)]));
  const companions = await objectIds(repository, commit, references.companions.map(inRepository));
  const lock_hash = createHash("sha256").update(content).digest("hex");
  const key = contentHash({
    schema: 1,
    manager: environment.manager,
    lock: lock_name,
    lock_hash,
    setup,
    variables: environment.variables,
    local,
    platform,
    runtime: await manager.runtime(machine),
  });
  const whole = references.whole_directory || !isPlain;
  const needed = [
    repositoryPath(lock),
    ...(whole ? [lock_directory] : []),
    ...companions.keys(),
    ...Object.keys(local),
  ];
  const identity = { manager: environment.manager, lock, lock_hash, setup, local, key };
  return { ...identity, lock_directory, lock_name, lock_text, exported: [...new Set(needed)] };
}

function unbuilt(
  environment: Environment,
  setup: string | null,
  platform: { os: string; arch: string },
): EnvironmentSource {
  if (setup !== null) {
    throw new RigorError("environment", "`environment.setup` is given, but manager `none` builds nothing.", {
      next: "Remove `setup`, or name the manager that it belongs to.",
    });
  }
  const { manager, variables } = environment;
  const key = contentHash({ schema: 1, manager, variables, platform });
  const nothing = {
    lock: null,
    lock_hash: null,
    setup: null,
    local: {},
    lock_directory: ".",
    lock_name: "",
    lock_text: "",
  };
  return { manager, key, ...nothing, exported: [] };
}

async function readLock(repository: string, commit: string, lock: string): Promise<Buffer> {
  const content = await readCommitted(repository, commit, lock);
  if (content !== null) return content;
  throw new RigorError("environment", `The lock ${lock} is not in commit ${commit.slice(0, 12)}.`, {
    next: "Add the file, name another one as `environment.lock`, or set `environment.manager: none`.",
  });
}

async function readReferences(lock: string, read: () => Promise<LocalReferences>): Promise<LocalReferences> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof RigorError) throw cause;
    throw new RigorError("environment", `The lock ${lock} or a file beside it cannot be understood.`, {
      next: "Make it anew with the manager that wrote it, and commit it.",
      cause,
    });
  }
}

/** Words of a setup that may be committed paths: `sh tools/setup.sh`, `pip install -e .`. */
function setupPaths(setup: string, lockDirectory: string): string[] {
  return setup
    .split(/[\s"'=;&|()<>]+/)
    .map((word) => word.replace(/\[[^\]]*\]$/, ""))
    .filter((word) => word !== "" && !posix.isAbsolute(word) && !word.includes("$"))
    .map((word) => posix.join(lockDirectory, word))
    .filter((path) => path !== ".." && !path.startsWith("../"));
}
