import { AsyncLocalStorage } from "node:async_hooks";

/**
 * When a turn outlives a loss of power: when it ends, or a moment later. A process that is killed loses neither.
 * `soon` is for what is lost together with the machine, and found or done again by whoever comes after.
 */
export type Durability = "at-once" | "soon";

/**
 * Marks the code that runs inside a turn of the writer. Such code must use the transaction it was given: waiting
 * for the store itself there would wait for its own end.
 */
export class Turn {
  /** Of the turn that begins next, or is under way. */
  durability: Durability = "at-once";
  readonly #current = new AsyncLocalStorage<{ open: boolean }>();

  /** Runs a decision as the present turn. What it leaves running afterwards is no longer inside. */
  async run<Value>(decide: () => Promise<Value>): Promise<Value> {
    const mark = { open: true };
    try {
      return await this.#current.run(mark, decide);
    } finally {
      mark.open = false;
    }
  }

  /** @throws Error inside a turn, where waiting for what was asked would never end */
  refuseInside(what: string): void {
    if (this.#current.getStore()?.open === true) {
      throw new Error(`${what} inside a transaction would wait for itself: use the transaction that was handed in`);
    }
  }
}
