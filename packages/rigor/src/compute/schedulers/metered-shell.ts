import { AsyncLocalStorage } from "node:async_hooks";
import type { Answer, HostShell, ScriptOptions } from "../../hosts/shell.ts";
import type { Call } from "./call-line.ts";

/** Something that is done with a scheduler, for which calls are made. */
export interface Caller {
  /** Waits until its next call may be made. */
  take(): Promise<Call>;
}

const callers = new AsyncLocalStorage<Caller>();

/** Does something with a scheduler: each of its scripts is a call that waits for its turn. */
export const callingAs = <T>(caller: Caller, work: () => Promise<T>): Promise<T> => callers.run(caller, work);

/** A shell of which each script is a call of a scheduler, made for whoever is {@link callingAs}. */
export class MeteredShell implements HostShell {
  readonly host: string;
  readonly #shell: HostShell;

  constructor(shell: HostShell) {
    this.host = shell.host;
    this.#shell = shell;
  }

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    const caller = callers.getStore();
    if (caller === undefined) throw new Error("a scheduler is called, and nobody knows for what");
    const call = await caller.take();
    try {
      return await this.#shell.run(script, options);
    } finally {
      call.end();
    }
  }

  close(): Promise<void> {
    return this.#shell.close();
  }
}
