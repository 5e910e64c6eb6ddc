import type { Handle, JobStatus } from "../executor.ts";
import type { Seen } from "../remote/remote-attempts.ts";
import { silenceOf } from "./batches.ts";
import type { BatchRecord, Place } from "./batch-records.ts";
import type { SchedulerWords } from "./scheduler-words.ts";
import { finalStatus, isOver, presentStatus } from "./two-witnesses.ts";

/** An attempt whose files show no end. */
export interface OpenAttempt {
  handle: Handle;
  seen: Seen;
  place: Place;
  /** Whether Rigor has told it to end. */
  isCancelled: () => boolean;
}

/** What is remembered, between two looks, of attempts whose files show no end. */
export class OpenAttempts {
  readonly #words: SchedulerWords;
  /** With the batches that the scheduler is asked about. */
  readonly #batches = new Map<string, BatchRecord>();
  /** When an attempt was first seen to be claimed. */
  readonly #claimedMs = new Map<string, number>();
  /** Attempts that the scheduler does not execute: since when it says so and nothing shows the contrary. */
  readonly #doubts = new Map<string, { sinceMs: number; beat: number | null }>();

  constructor(words: SchedulerWords) {
    this.#words = words;
  }

  /** Whether an attempt may be over although its files show no end: these are to be looked at anew. */
  isDoubted(attempt: string): boolean {
    return this.#doubts.has(attempt);
  }

  note({ handle, place }: OpenAttempt): void {
    this.#batches.set(handle.attempt, place.batch);
  }

  /** Asks the scheduler about all that are open, whoever asked for them. */
  async ask(): Promise<void> {
    await this.#words.ask([...new Set(this.#batches.values())]);
  }

  /**
   * What follows from both witnesses. An end is certain when the files, looked at after the scheduler's word, show none.
   *
   * @param lookedMs when the files were looked at, by `performance.now()`
   */
  judge({ handle: { attempt }, seen, place, isCancelled }: OpenAttempt, lookedMs: number): JobStatus {
    const { word, atMs } = this.#words.of(place);
    if (seen.state === "claimed" && !this.#claimedMs.has(attempt)) this.#claimedMs.set(attempt, lookedMs);
    if (!isOver(word)) {
      this.#doubts.delete(attempt);
      // A job that was waiting when the scheduler was asked may have started since.
      const outdated = atMs < (this.#claimedMs.get(attempt) ?? 0);
      return presentStatus(seen, outdated ? { state: "unasked" } : word);
    }
    const beat = seen.state === "claimed" ? seen.beat_at : null;
    const lives = seen.state === "claimed" && seen.witness === "alive";
    const doubt = this.#doubts.get(attempt);
    if (doubt === undefined || doubt.beat !== beat || lives) {
      this.#doubts.set(attempt, { sinceMs: performance.now(), beat });
    } else if (lookedMs - doubt.sinceMs >= silenceOf(place.batch.heartbeat) * 1000) {
      const { id, folder, host } = place.batch;
      const facts = { submitted: id !== null, cancelled: isCancelled(), where: `in ${folder} on ${host}` };
      return finalStatus(seen, word, facts);
    }
    return presentStatus(seen, { state: "unasked" });
  }

  forget(attempt: string): void {
    this.#batches.delete(attempt);
    this.#claimedMs.delete(attempt);
    this.#doubts.delete(attempt);
  }
}
