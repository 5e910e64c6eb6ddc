/** The longest time between two looks at a session, in milliseconds, that counts as a whole. */
const longestGap = 10_000;

/**
 * Milliseconds for which somebody was watching: time in which the daemon, or the whole machine, stood still is none that
 * the session has used.
 */
export class WatchedTime {
  readonly #clock: () => number;
  #last: number;
  #sum = 0;

  /** @param clock milliseconds of a clock that never jumps */
  constructor(clock = () => performance.now()) {
    this.#clock = clock;
    this.#last = clock();
  }

  now(): number {
    const present = this.#clock();
    this.#sum += Math.min(present - this.#last, longestGap);
    this.#last = present;
    return this.#sum;
  }
}
