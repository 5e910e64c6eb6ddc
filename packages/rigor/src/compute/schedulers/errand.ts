import type { Call, CallKind, CallLine } from "./call-line.ts";
import { callingAs, type Caller } from "./metered-shell.ts";

/**
 * One thing that is done with a scheduler again and again, in some calls each time. Where a call has to wait for its turn,
 * nobody waits with it: the errand goes on by itself.
 */
export class Errand implements Caller {
  readonly #line: CallLine;
  readonly #kind: CallKind;
  readonly #signal: AbortSignal;
  #work: Promise<void> | null = null;
  #isWaiting = false;
  /** Those who want to know when it waits, or is over. */
  readonly #listeners = new Set<() => void>();
  #ready: Call | null = null;
  #failure: { error: unknown } | null = null;

  /** @param signal ends it */
  constructor(line: CallLine, kind: CallKind, signal: AbortSignal) {
    this.#line = line;
    this.#kind = kind;
    this.#signal = signal;
  }

  /**
   * Begins it, unless it is under way, and returns when it is over or a call of it has to wait.
   *
   * @throws what it failed with; also if that was earlier, when nobody listened: then it is not begun
   */
  async pursue(work: () => Promise<void>): Promise<void> {
    this.tell();
    this.#work ??= this.#begin(work);
    if (!this.#isWaiting) await new Promise<void>((resolve) => this.#listeners.add(resolve));
    this.tell();
  }

  /** @throws what it failed with, once */
  tell(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
  }

  get isUnderWay(): boolean {
    return this.#work !== null;
  }

  /** Waits until its next call may be made, before it is said what that is. */
  async ready(): Promise<void> {
    this.#ready ??= await this.#take();
  }

  async take(): Promise<Call> {
    const ready = this.#ready;
    this.#ready = null;
    return ready ?? (await this.#take());
  }

  /** Waits for its end, however that comes. */
  async settle(): Promise<void> {
    await this.#work;
  }

  async #take(): Promise<Call> {
    const onWait = () => {
      this.#isWaiting = true;
      this.#wake();
    };
    try {
      return await this.#line.take(this.#kind, { onWait, signal: this.#signal });
    } finally {
      this.#isWaiting = false;
    }
  }

  async #begin(work: () => Promise<void>): Promise<void> {
    try {
      await callingAs(this, work);
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#ready?.giveBack();
      this.#ready = null;
      this.#work = null;
      this.#wake();
    }
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}
