import type { FailureCategory } from "../../compute/failures/failure-category.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import type { Lane } from "../lab/lane.ts";
import type { Ended } from "./live.ts";

/** Attempts in a row that fail by no fault of their runs before their machine rests. */
const faultsBeforeRest = 3;
/** Seconds of the first rest; each further one without a good attempt in between is twice as long. */
const firstRest = 600;
const longestRest = 4 * 3_600;

/** What one state of a machine's disk does to all that was placed there meanwhile. */
const statesOfDisk = new Set<string | null>(["not-started", "disk-full", "quota"] satisfies FailureCategory[]);

interface Count {
  faults: number;
  rests: number;
  /** When the last fault was noted, in the form of the log. */
  notedAt: string;
}

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
  readonly #counts = new Map<string, Count>();

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
      const count = this.#counts.get(lane.id) ?? { faults: 0, rests: 0, notedAt: "" };
      // What is missing is made ready again, and room is waited for: those that were placed before say nothing new.
      if (statesOfDisk.has(outcome.category) && live.attempt.queued_at <= count.notedAt) return [];
      const isFault =
        outcome.state !== "cancelled" && outcome.category !== null && outcome.retry_class === "infrastructure";
      const faults = isFault ? count.faults + 1 : 0;
      const isTime = faults >= faultsBeforeRest;
      const rests = isFault ? count.rests + (isTime ? 1 : 0) : 0;
      this.#counts.set(lane.id, { faults: isTime ? 0 : faults, rests, notedAt: new Date().toISOString() });
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

/** Jobs of an experiment in a row that find nothing prepared before somebody has to look. */
const failuresBeforeHold = 3;

/**
 * Counts jobs for which a cluster lacks modules or directories. It would take and lose all others as well, each after its
 * wait in the queue.
 */
export class UnpreparedJobs {
  readonly #counts = new Map<string, number>();

  /** Notes how attempts ended, in their order. @returns experiments that are to be held now */
  note(ended: readonly Pick<Ended, "live" | "outcome">[]): { experiment: ExperimentRecord; reason: string }[] {
    const held = new Set<string>();
    return ended.flatMap(({ live: { attempt, experiment }, outcome }) => {
      if (outcome.state === "cancelled" || held.has(experiment.id)) return [];
      const key = `${experiment.id} ${attempt.compute_id}`;
      const failures = outcome.category === "unprepared" ? (this.#counts.get(key) ?? 0) + 1 : 0;
      this.#counts.set(key, failures % failuresBeforeHold);
      if (failures < failuresBeforeHold) return [];
      held.add(experiment.id);
      const last = outcome.evidence ?? "nothing says why.";
      const next = "Correct `modules` of this compute in rigor.yaml, or what is missing there.";
      return [
        { experiment, reason: `${failures} jobs in a row could not begin at ${attempt.compute}. ${last} ${next}` },
      ];
    });
  }
}
