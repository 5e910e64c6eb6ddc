import type { BatchRecord, Place } from "./batch-records.ts";
import { type JobReport, memberKey, type Scheduler } from "./scheduler.ts";
import type { Word } from "./two-witnesses.ts";

/** What a scheduler last said of the members of batches. */
export class SchedulerWords {
  readonly #scheduler: Scheduler;
  readonly #answers = new Map<BatchRecord, { atMs: number; reports: ReadonlyMap<string, JobReport> }>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Asks about batches, and forgets all others. */
  async ask(batches: readonly BatchRecord[]): Promise<void> {
    if (batches.length === 0) return;
    const asked = batches.map((batch) => ({ name: batch.name, size: batch.members.length, id: batch.id }));
    // Later parts of the answer may have waited for their calls: what is told first is that old.
    const atMs = performance.now();
    const reports = await this.#scheduler.report(asked);
    const before = new Map(this.#answers);
    this.#answers.clear();
    for (const batch of batches) {
      const known = before.get(batch)?.reports;
      const keys = batch.members.map((_, index) => memberKey({ batch: batch.name, index }));
      const said = keys.flatMap((key): [string, JobReport][] => {
        const report = reports.get(key) ?? lasting(known?.get(key));
        return report === undefined ? [] : [[key, report]];
      });
      this.#answers.set(batch, { atMs, reports: new Map(said) });
    }
  }

  /** @returns what was last said, and when that was asked, on a clock that never jumps */
  of({ batch, index }: Place): { word: Word; atMs: number } {
    const answer = this.#answers.get(batch);
    if (answer === undefined) return { word: { state: "unasked" }, atMs: 0 };
    return {
      word: answer.reports.get(memberKey({ batch: batch.name, index })) ?? { state: "unknown" },
      atMs: answer.atMs,
    };
  }
}

/** How a job ended stays true when the scheduler has forgotten the job. */
const lasting = (report: JobReport | undefined): JobReport | undefined =>
  report?.state === "ended" ? report : undefined;
