import { spawn } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { hasCode } from "../../hosts/system-errors.ts";
import { readLastText } from "../../hosts/tail.ts";
import type { SandboxPolicy } from "../sandbox/policy.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Workspace } from "../workspaces/workspace.ts";

export interface DeclaredChecks {
  /** Lines for `sh`, as `agents.checks` of rigor.yaml has them. */
  commands: readonly string[];
  /** Where each command's output is kept, as `check-1.log` and so on. */
  output: string;
  /** Seconds that one command may take. */
  timeLimit?: number;
  /** Environments and toolchains that the commands need. */
  readable?: readonly string[];
  /** Added to the few variables that a command gets. */
  variables?: Readonly<Record<string, string>>;
  network?: SandboxPolicy["network"];
  gpus?: boolean;
  /** Ends the present command, and starts no further one. */
  signal?: AbortSignal;
}

export interface DeclaredCheck {
  command: string;
  passed: boolean;
  /** Null when the command was ended by a signal or because of its time. */
  exit: number | null;
  timedOut: boolean;
  seconds: number;
  /** The file with all of its output, and the end of it. */
  output: string;
  tail: string;
}

const defaultTimeLimit = 1_800;
const tailBytes = 4_000;

/**
 * Runs commands one after the other in a workspace of a submitted commit, each in the sandbox. All are run, so that the
 * author learns everything at once.
 */
export async function runDeclaredChecks(
  workspace: Workspace,
  sandbox: Sandbox,
  checks: DeclaredChecks,
): Promise<DeclaredCheck[]> {
  await mkdir(checks.output, { recursive: true });
  await mkdir(join(workspace.scratch, "home"), { recursive: true });
  const made: DeclaredCheck[] = [];
  for (const [index, command] of checks.commands.entries()) {
    if (checks.signal?.aborted === true) break;
    made.push(await runCheck(workspace, sandbox, checks, command, join(checks.output, `check-${index + 1}.log`)));
  }
  return made;
}

async function runCheck(
  workspace: Workspace,
  sandbox: Sandbox,
  checks: DeclaredChecks,
  command: string,
  output: string,
): Promise<DeclaredCheck> {
  const { scratch, policy } = workspace;
  const readable = [...policy.readable, ...(checks.readable ?? [])];
  const network = checks.network ?? { hosts: [] };
  const wrapped = sandbox.wrap(["sh", "-c", command], {
    ...{ ...policy, readable, scratch, hidden: [], network, gpus: checks.gpus ?? false },
  });
  const env = {
    PATH: process.env["PATH"],
    HOME: join(scratch, "home"),
    LANG: "C.UTF-8",
    CI: "true",
    ...checks.variables,
  };
  const file = await open(output, "w");
  try {
    const start = performance.now();
    const ended = await runInGroup(wrapped, { cwd: workspace.directory, env, output: file.fd }, checks);
    const seconds = (performance.now() - start) / 1000;
    return { command, passed: ended.exit === 0, ...ended, seconds, output, tail: readLastText(output, tailBytes) };
  } finally {
    await file.close();
  }
}

/** A command in a process group of its own, which is killed as a whole. */
function runInGroup(
  [program = "", ...args]: string[],
  { cwd, env, output }: { cwd: string; env: NodeJS.ProcessEnv; output: number },
  { timeLimit = defaultTimeLimit, signal }: DeclaredChecks,
): Promise<{ exit: number | null; timedOut: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ["ignore", output, output] });
    let timedOut = false;
    const end = () => killGroup(child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, timeLimit * 1000);
    signal?.addEventListener("abort", end, { once: true });
    child.once("error", reject);
    child.once("close", (exit) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      // What it has left behind in its group ends with it.
      end();
      resolve({ exit: timedOut ? null : exit, timedOut });
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}
