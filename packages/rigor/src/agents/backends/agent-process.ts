import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../../domain/errors.ts";
import {
  hasSamePlace,
  killRemains,
  recordOf,
  sendSignal,
  visitEnvironments,
  witness,
  type ProcessRecord,
} from "../../hosts/processes.ts";
import { openErrors } from "./error-file.ts";

/** Names the directory of the session in the environment of everything that its agent starts. */
export const sessionVariable = "RIGOR_SESSION";

/** Milliseconds between TERM and KILL, in which an agent can save where it stands. */
const grace = 5_000;

/** Milliseconds in which what was killed is gone, and with it what it has started just before. */
const patience = 5_000;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ProcessFiles {
  /** Null for a pipe. */
  input: string | null;
  output: string;
  /** May be the same as that of the output. */
  errors: string;
}

/** A process of an agent in a group of its own, which writes to files, so that nobody has to read for it to go on. */
export class AgentProcess {
  readonly record: ProcessRecord;
  /** Never rejected. */
  readonly exited: Promise<Exit>;
  readonly input: Writable | null;
  readonly #directory: string;

  private constructor(child: ChildProcess, record: ProcessRecord, exited: Promise<Exit>, directory: string) {
    this.record = record;
    this.exited = exited;
    this.input = child.stdin;
    this.#directory = directory;
    // An agent that has ended reads no more; how it ended says its exit.
    child.stdin?.on("error", () => undefined);
  }

  /** @throws RigorError `not-possible` where the program or the workspace does not exist */
  static async start(
    command: readonly string[],
    options: { workspace: string; directory: string; environment: Readonly<Record<string, string>> },
    files: ProcessFiles,
  ): Promise<AgentProcess> {
    const [program = "", ...words] = command;
    const output = openSync(files.output, "ax", 0o600);
    const errors = files.errors === files.output ? output : openErrors(files.errors);
    const opened = new Set([output, errors]);
    const input = files.input === null ? "pipe" : openSync(files.input, "r");
    if (typeof input === "number") opened.add(input);
    try {
      const child = spawn(program, words, {
        cwd: options.workspace,
        env: { ...options.environment, [sessionVariable]: options.directory },
        detached: true,
        stdio: [input, output, errors],
      });
      // Before anything else runs here: even if the process has ended by now, the system still lists it.
      const record = child.pid === undefined ? null : recordOf(child.pid);
      const exited = new Promise<Exit>((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }));
      });
      await once(child, "spawn");
      if (record === null) throw new Error(`process ${child.pid} is not listed`);
      return new AgentProcess(child, record, exited, options.directory);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const next = "Run `rigor doctor`: it says which agents can be used on this machine.";
      throw new RigorError("not-possible", `${program} cannot be started in ${options.workspace}: ${why}.`, {
        next,
        cause,
      });
    } finally {
      for (const descriptor of opened) closeSync(descriptor);
    }
  }

  /** Ends the process and everything that it has started, also what has left its group. */
  async end(): Promise<void> {
    sendSignal(-this.record.pid, "SIGTERM");
    const ended = await Promise.race([this.exited, sleep(grace, null, { ref: false })]);
    if (ended === null) sendSignal(-this.record.pid, "SIGKILL");
    await this.exited;
    await endRemains(this.record, this.#directory);
  }
}

/**
 * Ends what a process of a session has left behind, and waits until that is gone: its group, its session, and whatever
 * has its environment (see `sessionVariable`).
 *
 * @returns how many processes were ended
 */
export async function endRemains(record: ProcessRecord | null, directory: string): Promise<number> {
  let ended = record === null ? 0 : killRemains(record);
  const deadline = performance.now() + patience;
  while (performance.now() < deadline) {
    let found = 0;
    await visitEnvironments(sessionVariable, (pid, value) => {
      // In a container the same path may be another folder.
      if (value === directory && hasSamePlace(pid, directory) && sendSignal(pid, "SIGKILL")) found++;
    });
    if (found === 0 && (record === null || witness(record) !== "alive")) break;
    ended += found;
    await sleep(10);
  }
  return ended;
}
