import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../../domain/errors.ts";
import type { Answer, HostShell, ScriptOptions } from "../../hosts/shell.ts";

/** Seconds before each further try. */
const defaultPauses: readonly number[] = [1, 4, 15];

export interface Patience {
  /** Seconds before each further try. Default: 1, 4 and 15. */
  pauses?: readonly number[] | undefined;
  /** Ends the waiting; what runs on the host goes on. */
  signal?: AbortSignal | undefined;
}

/**
 * A shell that is asked again when its connection is lost. What is given to it must do no harm when it is repeated, and
 * an input must be one that can be read again.
 */
export class PatientShell implements HostShell {
  readonly #shell: HostShell;
  readonly #patience: Patience;

  constructor(shell: HostShell, patience: Patience) {
    this.#shell = shell;
    this.#patience = patience;
  }

  get host(): string {
    return this.#shell.host;
  }

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    const { pauses = defaultPauses, signal } = this.#patience;
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await this.#shell.run(script, options);
      } catch (error) {
        const pause = pauses[attempt];
        if (!(error instanceof RigorError) || error.code !== "unreachable" || pause === undefined) throw error;
        await sleep(pause * 1000, undefined, signal === undefined ? {} : { signal });
      }
    }
  }

  async close(): Promise<void> {
    await this.#shell.close();
  }
}
