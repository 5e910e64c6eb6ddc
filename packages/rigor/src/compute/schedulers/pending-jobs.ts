import type { JobSpec } from "../attempt/job.ts";
import { allocationOf } from "./batches.ts";

/** Jobs that are to be submitted, those that ask for the same together. */
export class PendingJobs {
  /** By attempt; `alike` is the same for jobs that one batch may have. */
  readonly #jobs = new Map<string, { job: JobSpec; alike: string }>();
  readonly #unwritten = new Map<string, JobSpec>();

  get size(): number {
    return this.#jobs.size;
  }

  has(attempt: string): boolean {
    return this.#jobs.has(attempt);
  }

  add(job: JobSpec): void {
    this.#jobs.set(job.attempt, { job, alike: JSON.stringify(allocationOf(job)) });
    this.#unwritten.set(job.attempt, job);
  }

  delete(attempt: string): void {
    this.#jobs.delete(attempt);
    this.#unwritten.delete(attempt);
  }

  clear(): void {
    this.#jobs.clear();
    this.#unwritten.clear();
  }

  /** The jobs of the next batch, at most `limit`: that which came first, and those like it. Null when none is left. */
  next(limit: number): [JobSpec, ...JobSpec[]] | null {
    const [first] = this.#jobs.values();
    if (first === undefined) return null;
    const group: [JobSpec, ...JobSpec[]] = [first.job];
    for (const { job, alike } of this.#jobs.values()) {
      if (group.length === limit) break;
      if (alike === first.alike && job !== first.job) group.push(job);
    }
    return group;
  }

  /** Jobs whose directories are not on the host, each once. */
  takeUnwritten(): JobSpec[] {
    const jobs = [...this.#unwritten.values()];
    this.#unwritten.clear();
    return jobs;
  }
}
