/** What one member of a batch may use. All members ask for the same. */
export interface Allocation {
  cpus: number;
  gpus: number;
  /** Bytes; null leaves it to the scheduler's default. */
  memory: number | null;
  /** Seconds after which the scheduler ends the job; null leaves it to the scheduler's default. */
  time: number | null;
}

/** Jobs that are submitted in one call: one job, or an array with the indexes 0 to `size - 1`. */
export interface Batch {
  /** Names the batch at the scheduler, in every lab: a letter, then letters, digits and `-`, at most 60 characters. */
  name: string;
  size: number;
  /**
   * Absolute path, on the host, of the script that executes one member; it finds its member by the scheduler's variable
   * for the array index, which is absent for a batch of one.
   */
  script: string;
  /** Absolute path of a directory on the host for what the scheduler itself writes about the batch. */
  directory: string;
  allocation: Allocation;
}

/** A batch that was submitted, or may have been. */
export interface AskedBatch extends Pick<Batch, "name" | "size"> {
  /** What its submission returned; null when nobody learnt of it. */
  id: string | null;
}

/** A member of a batch at a scheduler. */
export interface Member {
  /** The name of its batch. */
  batch: string;
  index: number;
}

/**
 * What a scheduler says of a job.
 *
 * - `waiting`: it will start it later. `reason` is the scheduler's word for why not now. `held`: it will not start
 *   without a person.
 * - `running`: it executes it, also while it starts or ends it. `restarts` counts the executions before this one.
 * - `ended`: it does not execute it any more, for the reason in `cause`. The scheduler's word on success is no proof:
 *   `finished` only says that the job ended by itself.
 */
export type JobReport =
  | { state: "waiting"; reason: string | null; held: boolean }
  | { state: "running"; host: string | null; restarts: number }
  | { state: "ended"; cause: EndCause; evidence: string };

export const endCauses = [
  "finished",
  "cancelled",
  "preempted",
  "node-failure",
  "out-of-memory",
  "time-limit",
  /** The scheduler could not start it: a missing directory, an account that was closed, a node that did not boot. */
  "not-started",
  /** Its script found no directory or no modules: what the site or rigor.yaml lacks, and no job has more luck. */
  "unprepared",
  /** Ended, and the scheduler keeps no record of how. */
  "unknown",
] as const;
export type EndCause = (typeof endCauses)[number];

/** What a scheduler allows and has. */
export interface SchedulerFacts {
  /** Name and version, as it calls itself. */
  version: string;
  /** Most members of one array; 1 where there are no arrays. */
  array_limit: number;
  /** What is wrong with the configured account, queue or partition, in the scheduler's words; empty if nothing is. */
  problems: string[];
}

/**
 * A batch system, reached through a shell on a machine where its commands work. Each method costs a fixed number of
 * calls of the scheduler, whatever the number of jobs.
 *
 * @throws RigorError from every method: `unreachable` without a whole answer of the host; `scheduler` with the
 *   scheduler's own words when it refuses, and for an answer that cannot be read. Nothing may be concluded from either.
 */
export interface Scheduler {
  readonly kind: string;

  probe(): Promise<SchedulerFacts>;

  /**
   * Submits a batch and returns the scheduler's id of it. When it throws `unreachable`, whether it was submitted is
   * unknown until {@link Scheduler.report} is asked.
   */
  submit(batch: Batch): Promise<string>;

  /** What people and the scheduler's own commands call a member of a batch. @param id what {@link Scheduler.submit} returned */
  memberId(batch: { id: string; size: number }, index: number): string;

  /**
   * What is known of the batches with these names, by {@link memberKey}: found by name, so that a batch is found whose
   * id was never learnt. A member that the scheduler does not know, or knows no more, is absent; `id` is for schedulers
   * that forget a job's name before they forget the job.
   */
  report(batches: readonly AskedBatch[]): Promise<Map<string, JobReport>>;

  /** Ends members, waiting or running. Members that have ended are left alone. */
  cancel(members: readonly { member: Member; id: string | null }[]): Promise<void>;
}

export const memberKey = ({ batch, index }: Member): string => `${batch}/${index}`;
