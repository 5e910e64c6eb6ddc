import type { Failure } from "./failures/failures.ts";
import type { ExitRecord, JobSpec } from "./attempt/job.ts";
import type { HostCapacity } from "./placement/resources.ts";

/** How a submitted job is found again, also by a later process of Rigor. */
export interface Handle {
  attempt: string;
  run: string;
}

/** A job that was submitted. */
export interface Submitted extends Handle {
  /** What its scheduler calls it, for people; absent where there is none, or where the scheduler never told. */
  job?: string;
}

/**
 * What is known about a job, from two witnesses: the record of its end, and whether it is still there.
 *
 * - `unclaimed`: nothing executes it and nothing will, until it is submitted again.
 * - `unsubmitted`: it waits here until its scheduler may be called.
 * - `waiting`: submitted and not started yet, or to be started again. A scheduler gives its word for the reason, and
 *   says whether it will start it without a person.
 * - `running`: `beat_at` is its last sign of life (epoch milliseconds), null before the first.
 * - `ended`: by its own record.
 * - `gone`: it was withdrawn, before it started or by a scheduler that gave it no time to record its end; or it is dead
 *   and left no record, for the reason that the executor can tell. `beat_at` is as for `running`, where it had started.
 *
 * `job` is that of {@link Submitted}.
 */
export type JobStatus = JobState & Pick<Submitted, "job">;

type JobState =
  | { state: "unclaimed" }
  | { state: "unsubmitted"; reason: string }
  | { state: "waiting"; reason?: string | null; held?: boolean }
  | { state: "running"; beat_at: number | null }
  | { state: "ended"; exit: ExitRecord }
  | { state: "gone"; withdrawn: true; beat_at?: number | null }
  | ({ state: "gone"; withdrawn: false; beat_at?: number | null } & Failure);

/** How many bytes of each stream were collected before. */
export interface Offsets {
  stdout: number;
  stderr: number;
  metrics: number;
}

export interface Collected {
  /** New bytes, each from the offset that was asked for. */
  stdout: Uint8Array;
  stderr: Uint8Array;
  /** New bytes of `metrics.jsonl`, up to the last whole line unless the job has ended. */
  metrics: Uint8Array;
  offsets: Offsets;
}

/** The directory of an attempt on another machine. */
export interface KeptDirectory {
  attempt: string;
  /** Below the folder of all attempts. */
  path: string;
  has_checkpoints: boolean;
}

/** A way to run jobs on a kind of machine. Every executor passes the suite in `executor.suite.ts`. */
export interface Executor {
  readonly kind: string;

  /** What the machine has now. */
  probe(): Promise<HostCapacity>;

  /**
   * Starts jobs, each at most once: a job whose attempt is already claimed is left alone, so that a submission can
   * be repeated after a crash.
   *
   * @returns those that are started, or in the queue of a scheduler. What the status of the others is says why they are not.
   * @throws RigorError `storage` when the attempt directory cannot be written; jobs before it are submitted.
   */
  submit(jobs: readonly JobSpec[]): Promise<Submitted[]>;

  /** The status of any number of jobs, keyed by attempt. */
  status(handles: readonly Handle[]): Promise<Map<string, JobStatus>>;

  /** Makes sure that a job that has not started never starts. False when it has started. */
  withdraw(handle: Handle): Promise<boolean>;

  /** Ends jobs: TERM, then KILL after their grace. Returns when they were told, not when they have ended. */
  cancel(handles: readonly Handle[]): Promise<void>;

  /** What each job has written since the given offsets; at most `limit` bytes of each stream. */
  collect(requests: readonly { handle: Handle; offsets: Offsets }[], limit?: number): Promise<Map<string, Collected>>;

  /**
   * What Rigor's directory on the machine is marked with, marking it if need be. The same name may lead elsewhere from
   * another machine, or a disk may have been emptied: what is missing there then proves nothing. Null for this machine.
   */
  identity(): Promise<string | null>;

  /** Learns from the machine what another daemon has submitted there: its files about that are not here. */
  takeOver(handles: readonly Handle[]): Promise<void>;

  /** Folder of all attempts on the machine, absolute, as {@link attemptPath} goes on from it. */
  attemptsRoot(): Promise<string>;

  /** Those jobs, by attempt, whose checkpoints are on the machine. */
  withCheckpoints(handles: readonly Handle[]): Promise<Set<string>>;

  /**
   * Brings the checkpoints of a job that has ended to its directory on this machine. What came before is not brought
   * again.
   *
   * @throws RigorError `storage` before anything is brought that has no room here; `unreachable` where not all came.
   */
  bringCheckpoints(handle: Handle): Promise<void>;

  /** Directories of attempts that lie on the machine beside their copies here; none where they are the only ones. */
  keptDirectories(): Promise<KeptDirectory[]>;

  /** Removes directories of attempts that are over. What shows a sign of life there all the same stays. */
  removeDirectories(directories: readonly KeptDirectory[]): Promise<void>;

  /** Calls the listener soon after a job has changed, where the executor can know. Polling is needed all the same. */
  onChange(listener: (attempt: string) => void): () => void;

  /** Lets go of everything; jobs go on. */
  close(): Promise<void>;
}
