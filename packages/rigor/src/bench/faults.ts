import type { Lane } from "./lane.ts";
import type { Ended } from "./live-attempts.ts";

/** Attempts in a row that fail by no fault of their runs before their machine rests. */
const faultsBeforeRest = 3;
/** Seconds of the first rest; each further one without a good attempt in between is twice as long. */
const firstRest = 600;
const longestRest = 4 * 3_600;

interface Rest {
  lane: Lane;
  reason: string;
  seconds: number;
}

/**
 * Counts faults of machines. This machine never rests, because there is none to use instead; nor does a cluster, whose
 * scheduler leaves out nodes that fail.
 */
export class Faults {
  readonly #laneOf: (computeId: string) => Lane | undefined;
  readonly #counts = new Map<string, { faults: number; rests: number }>();

  constructor(laneOf: (computeId: string) => Lane | undefined) {
    this.#laneOf = laneOf;
  }

  /** Notes how attempts ended, in their order. @returns the machines that are to rest now */
  note(ended: readonly Pick<Ended, "live" | "outcome">[]): Rest[] {
    const resting = new Set<string>();
    return ended.flatMap(({ live, outcome }): Rest[] => {
      const lane = this.#laneOf(live.attempt.compute_id);
      if (lane === undefined || lane.isHere || !lane.isPlaced) return [];
      // Attempts that a crash ends together are one reason to rest, not several.
      if (!lane.isOpen || resting.has(lane.id)) return [];
      const count = this.#counts.get(lane.id) ?? { faults: 0, rests: 0 };
      const isFault =
        outcome.state !== "cancelled" && outcome.category !== null && outcome.retry_class === "infrastructure";
      const faults = isFault ? count.faults + 1 : 0;
      const isTime = faults >= faultsBeforeRest;
      const rests = isFault ? count.rests + (isTime ? 1 : 0) : 0;
      this.#counts.set(lane.id, { faults: isTime ? 0 : faults, rests });
      if (!isTime) return [];
      resting.add(lane.id);
      const seconds = Math.min(longestRest, firstRest * 2 ** count.rests);
      return [
        {
          lane,
          seconds,
          reason: `${faults} attempts in a row failed there; the last: ${outcome.evidence ?? outcome.category}`,
        },
      ];
    });
  }
}
