import type { Lab } from "./lab.ts";
import type { Lane } from "./lane.ts";
import type { Preparation } from "./preparation.ts";

/** Milliseconds between two clean-ups of one compute. */
const pauseMs = 6 * 3_600_000;
/** Seconds without use after which checkouts, environments and inputs go. They can be made again. */
const unusedFor = 30 * 86_400;
/** Bytes that are to be free; until they are, what was not used for a day goes too. */
const wantedFree = 5e9;

/** Removes what was made ready on a compute and is not used any more. */
export class Upkeep {
  readonly #lab: Lab;
  readonly #preparation: Preparation;
  /** When each compute was last cleaned up, by a clock that never jumps. */
  readonly #cleanedAt = new Map<string, number>();

  constructor(lab: Lab, preparation: Preparation) {
    this.#lab = lab;
    this.#preparation = preparation;
  }

  /** The first time comes some while after the start, when everything under way is known. */
  isDue(lane: Lane): boolean {
    const last = this.#cleanedAt.get(lane.id);
    if (last === undefined) this.#cleanedAt.set(lane.id, performance.now() - pauseMs + firstPauseMs);
    return last !== undefined && performance.now() - last >= pauseMs;
  }

  /** @param experiments ids of those that have something to start, or under way: what they use stays */
  async cleanUp(lane: Lane, experiments: ReadonlySet<string>): Promise<void> {
    this.#cleanedAt.set(lane.id, performance.now());
    const in_use = this.#preparation.keepOnly(lane.id, experiments);
    const removed = await lane.stager.cleanUp({ in_use, unused_for: unusedFor, wanted_free: wantedFree });
    for (const { kind, name, unused_for } of removed) {
      this.#lab.log.info({ compute: lane.id, kind, name, unused_for }, "removed what was not used any more");
    }
  }
}

const firstPauseMs = 10 * 60_000;
