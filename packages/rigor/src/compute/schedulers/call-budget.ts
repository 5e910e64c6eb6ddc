import type { Answer, HostShell, ScriptOptions } from "../../hosts/shell.ts";

/**
 * How often a scheduler may be asked. It delays looks, and nothing else: whatever is submitted or cancelled goes at once
 * and counts.
 */
export class CallBudget {
  readonly #gapMs: number;
  #nextMs = 0;

  constructor(callsPerMinute: number) {
    this.#gapMs = 60_000 / callsPerMinute;
  }

  /** @param nowMs milliseconds on a clock that never jumps */
  spend(nowMs: number): void {
    this.#nextMs = Math.max(nowMs, this.#nextMs) + this.#gapMs;
  }

  allowsLook(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }
}

/** A shell of which each script is a call of a scheduler. */
export class MeteredShell implements HostShell {
  readonly host: string;
  readonly #shell: HostShell;
  readonly #budget: CallBudget;

  constructor(shell: HostShell, budget: CallBudget) {
    this.host = shell.host;
    this.#shell = shell;
    this.#budget = budget;
  }

  run(script: string, options?: ScriptOptions): Promise<Answer> {
    this.#budget.spend(performance.now());
    return this.#shell.run(script, options);
  }

  close(): Promise<void> {
    return this.#shell.close();
  }
}
