import { openCalls, runProgram } from "./run-program.ts";
import type { Answer, HostShell, ScriptOptions } from "./shell.ts";

/** The shell of this machine. */
export class LocalShell implements HostShell {
  readonly host = "this machine";
  readonly #closed = openCalls();

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    const next = "Look at the load of this machine, and at its logs for processes that were killed.";
    return await runProgram(
      { host: this.host, command: ["/bin/sh", "-c"], next, closed: this.#closed.signal },
      script,
      options,
    );
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }
}
