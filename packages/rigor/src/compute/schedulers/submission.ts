import { randomBytes } from "node:crypto";
import { RigorError } from "../../domain/errors.ts";
import type { JobSpec } from "../attempt/job.ts";
import { pathOf, type RemoteAttempts } from "../remote/remote-attempts.ts";
import type { BatchRecord, BatchRecords } from "./batch-records.ts";
import { allocationOf, memberScript } from "./batches.ts";
import type { Errand } from "./errand.ts";
import { PendingJobs } from "./pending-jobs.ts";
import type { Scheduler } from "./scheduler.ts";

type Jobs = readonly [JobSpec, ...JobSpec[]];

interface SubmissionParts {
  scheduler: Scheduler;
  attempts: RemoteAttempts;
  records: BatchRecords;
  errand: Errand;
  /** Name of the host where the scheduler's commands work. */
  host: string;
  /** How many jobs one batch may have. */
  arrayLimit: () => Promise<number>;
  /** Told the attempts that are about to be sent: what was known of them is of an earlier time. */
  onSending: (attempt: string) => void;
}

/** Gives jobs to a scheduler in batches, as soon as it may be called. */
export class Submission {
  readonly #parts: SubmissionParts;
  readonly #pending = new PendingJobs();
  /** The batch that is being sent; never rejects. */
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(parts: SubmissionParts) {
    this.#parts = parts;
  }

  /** How many jobs wait. */
  get size(): number {
    return this.#pending.size;
  }

  isWaiting(attempt: string): boolean {
    return this.#pending.has(attempt);
  }

  /**
   * Submits jobs, with all others that wait; returns when that is done, or has to wait for a call.
   *
   * @throws what it failed with; then none waits any more
   */
  async submit(jobs: readonly JobSpec[]): Promise<void> {
    for (const job of jobs) this.#pending.add(job);
    if (this.#pending.size > 0) await this.#parts.errand.pursue(() => this.#submitPending());
  }

  /** Takes back what waits. What is being sent is there when this returns. */
  async takeBack(attempts: readonly string[]): Promise<void> {
    for (const attempt of attempts) this.#pending.delete(attempt);
    await this.#underWay;
  }

  /** Nothing that waits here is submitted any more. */
  clear(): void {
    this.#pending.clear();
  }

  /** What a batch is made of is settled when it may be submitted: what came or was cancelled meanwhile counts. */
  async #submitPending(): Promise<void> {
    const { errand, arrayLimit } = this.#parts;
    try {
      const limit = await arrayLimit();
      for (;;) {
        await errand.ready();
        const group = this.#pending.next(limit);
        if (group === null) return;
        await this.#submitBatch(group);
        for (const { attempt } of group) this.#pending.delete(attempt);
      }
    } catch (error) {
      // What became of them is asked, before they are submitted again.
      this.#pending.clear();
      throw error;
    }
  }

  async #submitBatch(jobs: Jobs): Promise<void> {
    const sending = this.#send(jobs);
    this.#underWay = sending.catch(() => undefined);
    const { record, failure } = await sending;
    if (failure !== null) await this.#refused(record, failure);
  }

  /** @returns the record of the batch, and what its submission failed with */
  async #send(jobs: Jobs): Promise<{ record: BatchRecord; failure: unknown }> {
    const { scheduler, attempts, records, host, onSending } = this.#parts;
    const mirror = await attempts.mirror();
    await mirror.removeBatches(records.takeForgotten());
    const unwritten = this.#pending.takeUnwritten();
    if (unwritten.length > 0) await attempts.write(unwritten);
    const name = `rigor-${randomBytes(5).toString("hex").slice(0, 9)}`;
    const heartbeat = Math.max(...jobs.map((job) => job.heartbeat));
    const members = jobs.map(({ run, attempt }) => ({ run, attempt }));
    const contents = { name, recorded_at: Date.now(), heartbeat, members };
    const script = memberScript(mirror.root, jobs.map(pathOf), heartbeat);
    const folder = await mirror.writeBatch(name, JSON.stringify(contents), script);
    const record: BatchRecord = { ...contents, host, folder, id: null, refused: null };
    records.add(record);
    for (const { attempt } of jobs) onSending(attempt);
    const batch = { name, size: jobs.length, script: `${folder}/member.sh`, directory: folder };
    try {
      records.learn(record, await scheduler.submit({ ...batch, allocation: allocationOf(jobs[0]) }));
      return { record, failure: null };
    } catch (failure) {
      return { record, failure };
    }
  }

  /**
   * Schedulers take jobs and then fail to say so: a batch is refused when the scheduler has not got it. Should it come
   * late, it finds all its attempts taken.
   *
   * @throws RigorError `unreachable` when nothing is certain
   */
  async #refused(record: BatchRecord, error: unknown): Promise<void> {
    const { scheduler, attempts, records } = this.#parts;
    if (!isWordOfScheduler(error)) throw error;
    const { name, members, id } = record;
    const reports = await scheduler.report([{ name, size: members.length, id }]).catch(() => unanswered(error));
    if ([...reports.values()].some(({ state }) => state !== "ended")) return;
    await (await attempts.mirror()).withdraw(members.map(pathOf));
    records.refuse(record, [error.message, error.next].filter((part) => part !== undefined).join(" "));
  }
}

const isWordOfScheduler = (error: unknown): error is RigorError =>
  error instanceof RigorError && error.code === "scheduler";

/**
 * What a scheduler says while it submits nothing, such as that its controller is down, is no refusal of a job.
 *
 * @throws RigorError `unreachable`, or the error itself where it is no word of the scheduler
 */
export function unanswered(error: unknown): never {
  if (!isWordOfScheduler(error)) throw error;
  throw new RigorError("unreachable", error.message, { next: error.next, cause: error });
}
