import type { Environment } from "../../domain/experiment.ts";
import type { Machine } from "../machines/machine.ts";

export type ManagerName = Environment["manager"];

/** Where an environment is built, and from what. */
export interface BuildPlan {
  /** The environment's own directory, absolute. */
  directory: string;
  /** Copy of the committed files of the lock's directory, absolute; the working directory of the build. */
  source: string;
  /** Directory of the lock in the repository; `.` is the top. */
  lock_directory: string;
  /** File name of the lock; empty for a manager without one. */
  lock_name: string;
  lock_text: string;
  /** A shell command as committed in the experiment file; null takes the manager's own commands. */
  setup: string | null;
}

/** A program with its arguments; no shell reads them. */
export type Command = readonly [program: string, ...args: string[]];

/** What a lock refers to besides the package index; its content decides what is built, too. */
export interface LocalReferences {
  /** Paths whose content is part of the environment, relative to the lock's directory. They need not exist. */
  paths: string[];
  /** Files that must lie beside the lock during the build, and change nothing as long as the lock is the same. */
  companions: string[];
  /** All committed files of the lock's directory are needed to build, not only the paths above. */
  whole_directory: boolean;
}

/** What an environment holds: name -> version. */
export interface Installed {
  packages: Record<string, string>;
  /** What runs them: `python`, `node`. */
  runtime: Record<string, string>;
}

/** One tool that builds environments. A new one is one file and one line in the registry. */
export interface EnvironmentManager {
  name: ManagerName;
  defaultLock: string | null;
  /** Shown to people; what it stands for is in `commands`. */
  defaultSetup: string | null;
  /** Programs of which one must be on PATH; the first one that is found is used. */
  tools: readonly string[];
  /** What to do when none is. */
  toolHint: string;
  references(lock: {
    name: string;
    text: string;
    read(path: string): Promise<string | null>;
  }): Promise<LocalReferences>;
  /** A setup that does nothing but what the lock says, so that other files of the directory do not matter. */
  isPlainSetup(setup: string): boolean;
  /** Version of what the environment is built for, where another one needs another build. */
  runtime(machine: Machine): Promise<string | null>;
  /** The commands that build, in order. Pure. */
  commands(plan: BuildPlan, tool: string): Command[];
  /** Variables for the build. */
  buildVariables(plan: BuildPlan): Record<string, string>;
  /** Variables and directories in front of PATH for a run. */
  variables(plan: BuildPlan): { variables: Record<string, string>; path_prefix: string[] };
  /** Links that a checkout needs: path in the repository -> absolute target. */
  links(plan: BuildPlan, machine: Machine): Promise<Record<string, string>>;
  /** Installed packages by name, and the versions of what runs them, as found after the build. */
  describe(plan: BuildPlan, machine: Machine): Promise<Installed>;
}
