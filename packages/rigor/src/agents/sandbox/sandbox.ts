import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { RigorError } from "../../domain/errors.ts";
import { findProgramKeys } from "./mounts.ts";
import type { SandboxPolicy } from "./policy.ts";
import type { RunSettings } from "./run.ts";
import { findProgram } from "./toolchains.ts";

/** What keeps a session's commands to their task on this machine. */
export interface Sandbox {
  kind: "bwrap" | "none";
  protections: Protection[];
  /** Why there is none, and what to do. */
  missing?: { reason: string; next: string };
  /** The command that runs another one under a policy; its environment, input and output are those of the command. */
  wrap(command: readonly string[], policy: SandboxPolicy): string[];
}

/** Something that an agent's command cannot do, or can. */
export interface Protection {
  name: "files" | "keys" | "network" | "processes" | "privileges" | "resources";
  holds: boolean;
  found: string;
  /** What a person can do about one that does not hold, unless it is to install a sandbox. */
  remedy?: string;
}

const resources: Protection = {
  name: "resources",
  holds: false,
  found: "A session's memory, CPU time and number of processes are not limited.",
  remedy: "Limit those of the daemon where others use this machine.",
};

const bwrapProtections: Protection[] = [
  { name: "files", holds: true, found: "Only the session's workspace and scratch directory can be written." },
  {
    name: "keys",
    holds: true,
    found: "The home directory, the lab's data, other checkouts and files of keys do not exist for a session.",
  },
  { name: "network", holds: true, found: "Only the hosts that the role declares can be reached." },
  {
    name: "processes",
    holds: true,
    found: "A session sees and signals only its own processes, and none of them outlives it.",
  },
  { name: "privileges", holds: true, found: "A session has no capability." },
  resources,
];

const noProtections: Protection[] = [
  { name: "files", holds: false, found: "A session can change every file that you can change." },
  { name: "keys", holds: false, found: "A session can read your keys, other checkouts and the lab's data." },
  { name: "network", holds: false, found: "A session can reach every host that this machine reaches." },
  { name: "processes", holds: false, found: "A session can signal your processes, and leave its own behind." },
  { name: "privileges", holds: false, found: "A session has all your privileges." },
  resources,
];

/** More would be too long for one argument of a command. */
const mostKeys = 500;

/** Milliseconds in which a trial must end. */
const trialMs = 60_000;

const runProgram = promisify(execFile);

/**
 * Looks for bubblewrap and proves by a trial that it works here.
 *
 * @throws RigorError `not-possible` where a sandbox is required and there is none; `internal` where the trial gave no answer.
 */
export async function findSandbox(
  need: "required" | "when-present",
  path = process.env["PATH"] ?? "",
): Promise<Sandbox> {
  const sandbox = await trySandbox(path);
  if (need === "required" && sandbox.missing !== undefined) {
    const { reason, next } = sandbox.missing;
    throw new RigorError("not-possible", `Agents may run only in a sandbox, and there is none: ${reason}`, {
      next: `${next} Or set \`agents.sandbox\` to \`when-present\` in rigor.yaml.`,
    });
  }
  return sandbox;
}

async function trySandbox(path: string): Promise<Sandbox> {
  const bwrap = await findProgram("bwrap", path);
  if (bwrap === null) {
    const isLinux = process.platform === "linux";
    return withoutSandbox(
      isLinux ? "bubblewrap is not installed." : "bubblewrap needs Linux.",
      isLinux ? "Install the package `bubblewrap`." : "Run the lab on Linux.",
    );
  }
  const keys = await findProgramKeys();
  const sandbox = bubblewrap(bwrap, await extraOptions(bwrap), keys.length > mostKeys ? null : keys);
  const directory = await mkdtemp(join(tmpdir(), "rigor-"));
  try {
    const policy: SandboxPolicy = {
      workspace: directory,
      scratch: directory,
      readable: [],
      hidden: [],
      network: { hosts: [] },
      gpus: false,
    };
    const [file = "", ...args] = sandbox.wrap(["true"], policy);
    await runProgram(file, args, { timeout: trialMs });
    return sandbox;
  } catch (error) {
    const words = error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n")[0] : "";
    if (!hasAnswered(error)) {
      throw new RigorError(
        "internal",
        `The trial of the sandbox came to no end, so nobody knows whether ${bwrap} works here.`,
        {
          next: "Try again when this machine is less busy.",
          cause: error,
        },
      );
    }
    return withoutSandbox(
      `${bwrap} does not work here: ${words === "" ? String(error) : words}.`,
      "Allow unprivileged user namespaces on this machine.",
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Only an exit status is an answer, and above 128 that is of a death by a signal. A trial that was killed or never started
 * says nothing: nobody goes without a sandbox for that.
 */
const hasAnswered = (error: unknown): boolean =>
  error instanceof Error && "code" in error && typeof error.code === "number" && error.code <= 128;

function bubblewrap(bwrap: string, extra: string[], programKeys: string[] | null): Sandbox {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const run = fileURLToPath(new URL(`./run.${extension}`, import.meta.url));
  return {
    kind: "bwrap",
    protections: bwrapProtections,
    wrap: (command, policy) => {
      const settings: RunSettings = { bwrap, extra, programKeys, policy };
      return [process.execPath, run, JSON.stringify(settings), ...command];
    },
  };
}

function withoutSandbox(reason: string, next: string): Sandbox {
  return { kind: "none", protections: noProtections, missing: { reason, next }, wrap: (command) => [...command] };
}

/** Older versions lack an option that costs nothing where it exists. */
async function extraOptions(bwrap: string): Promise<string[]> {
  const { stdout } = await runProgram(bwrap, ["--help"]);
  return stdout.includes("--disable-userns") ? ["--disable-userns"] : [];
}
