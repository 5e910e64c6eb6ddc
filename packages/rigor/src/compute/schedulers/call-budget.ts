/** Milliseconds in which a scheduler is never called more often than is allowed, wherever they begin. */
const windowMs = 60_000;

/**
 * How often a scheduler may be called: in no 60 seconds more often than a minute is allowed. When a call reaches the
 * scheduler is not known here, so it counts from when it may go until 60 s after its answer. Some calls may follow each
 * other at once, and further ones evenly, so that none has to wait for a whole minute.
 *
 * All times are milliseconds on one clock that never jumps.
 */
export class CallBudget {
  #perMinute: number;
  /** Calls that are being made. */
  #open = 0;
  /** When the calls ended that still count, in their order. */
  #ends: number[] = [];
  /** When the next call would be due if all followed each other evenly. */
  #evenMs = Number.NEGATIVE_INFINITY;

  /** @param perMinute a whole number above 0 */
  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  get perMinute(): number {
    return this.#perMinute;
  }

  /** From the next call on. */
  allow(perMinute: number): void {
    this.#perMinute = perMinute;
  }

  /** From when on the next call may be made; infinite while that depends on the end of one that is being made. */
  nextMs(nowMs: number): number {
    this.#forget(nowMs);
    const excess = this.#open + this.#ends.length - this.#perMinute;
    const free = excess < 0 ? nowMs : (this.#ends[excess] ?? Number.POSITIVE_INFINITY) + windowMs;
    return Math.max(nowMs, free, this.#evenMs - (this.#burst - 1) * this.#gapMs);
  }

  begin(nowMs: number): void {
    this.#open += 1;
    this.#evenMs = Math.max(nowMs, this.#evenMs) + this.#gapMs;
  }

  end(nowMs: number): void {
    this.#open -= 1;
    this.#ends.push(nowMs);
  }

  /** The call that began last is not made after all. */
  giveBack(): void {
    this.#open -= 1;
    this.#evenMs -= this.#gapMs;
  }

  /** Takes over calls that somebody else has made. @param endsMs when they ended, in their order */
  recall(endsMs: readonly number[]): void {
    this.#ends = [...this.#ends, ...endsMs].toSorted((a, b) => a - b);
    for (const endMs of endsMs) this.#evenMs = Math.max(endMs, this.#evenMs) + this.#gapMs;
  }

  /** Calls that count now: those that are being made, and when the others ended. */
  counted(nowMs: number): { open: number; endsMs: readonly number[] } {
    this.#forget(nowMs);
    return { open: this.#open, endsMs: this.#ends };
  }

  /** Calls that may follow each other at once: those of ten seconds. */
  get #burst(): number {
    return Math.max(1, Math.floor(this.#perMinute / 6));
  }

  /** Milliseconds between further calls, so that none of a minute is left out at its end. */
  get #gapMs(): number {
    return windowMs / (this.#perMinute - this.#burst + 1);
  }

  #forget(nowMs: number): void {
    const kept = this.#ends.findIndex((endMs) => endMs > nowMs - windowMs);
    this.#ends.splice(0, kept === -1 ? this.#ends.length : kept);
  }
}
