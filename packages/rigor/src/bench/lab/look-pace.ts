/** Milliseconds between two looks, and how much longer each pause is than the one before while nothing changes. */
interface Pace {
  least: number;
  most: number;
  growth: number;
}

/**
 * A machine's jobs begin and end by themselves. A scheduler has other users, and what waits in its queue for an hour is not
 * urgent by seconds: with this growth a pause is a tenth of the time for which nothing has changed.
 */
const paces = {
  machine: { least: 100, most: 2_000, growth: 2 },
  cluster: { least: 2_000, most: 15_000, growth: 1.1 },
} satisfies Record<string, Pace>;

/** How long to wait before a compute is looked at again: briefly after something changed there, and then ever longer. */
export class LookPace {
  readonly #pace: Pace;
  #pauseMs: number;
  #isStirred = false;

  constructor(kind: keyof typeof paces) {
    this.#pace = paces[kind];
    this.#pauseMs = this.#pace.least;
  }

  get pauseMs(): number {
    return this.#pauseMs;
  }

  /** Something was begun, began, ended or changed: more may happen soon. */
  stir(): void {
    this.#isStirred = true;
    this.#pauseMs = this.#pace.least;
  }

  /** A look is over. */
  looked(): void {
    if (!this.#isStirred) this.#pauseMs = Math.min(this.#pace.most, this.#pauseMs * this.#pace.growth);
    this.#isStirred = false;
  }
}
