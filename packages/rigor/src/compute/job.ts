/** What a job may use of the machine that a scheduler chooses for it. */
export interface JobResources {
  cpus: number;
  gpus: number;
  /** Bytes of main memory; null leaves it to the scheduler's default. */
  memory: number | null;
}

/** One try of one run, as it is handed to an executor and kept as `spec.json`. Units: seconds. */
export interface JobSpec {
  /** The token of the attempt: names its directory, its job at a scheduler, and its records. */
  attempt: string;
  run: string;
  /** An argument list, started as it is; or a string for `/bin/sh -c`. */
  command: string | readonly string[];
  /** Absolute path of the checkout that the command starts in. */
  working_directory: string;
  /**
   * Exported to the command, beside `RIGOR_RUN_ID`, `RIGOR_OUTPUT`, `RIGOR_PARAMETERS` and `RIGOR_JOB`; and
   * `RIGOR_ATTEMPT` if it is not here.
   */
  environment: Readonly<Record<string, string>>;
  /** Exported too, and in no record: they travel in a file of their own, which the job removes when it starts. */
  secrets?: Readonly<Record<string, string>>;
  /** Directories that come before the machine's own `PATH`. */
  path_prefix?: readonly string[];
  /** Written to the file that `RIGOR_PARAMETERS` names. */
  parameters: unknown;
  /** Files and folders below its output that are needed of it: they are brought over from other machines. */
  outputs?: readonly string[];
  /** Whole seconds of run time; null for no limit. */
  time_limit: number | null;
  /** What is asked of a scheduler. Default: one core. */
  resources?: JobResources;
  /** Whole seconds between TERM and KILL. */
  grace: number;
  /** Whole seconds between two heartbeats. */
  heartbeat: number;
}

/** `signal`: a signal ended the command. `terminated`: somebody other than Rigor told the job to end. */
export const exitReasons = ["exited", "signal", "terminated", "time-limit", "cancelled"] as const;
export type ExitReason = (typeof exitReasons)[number];

/** What `exit.json` says: how a job ended. */
export interface ExitRecord {
  attempt: string;
  /** Exit status; above 128 where a signal ended the command. Null when the command was never started. */
  code: number | null;
  /** Name without `SIG`, for example `KILL`. */
  signal: string | null;
  reason: ExitReason;
  /**
   * How many processes the kernel has ended for lack of memory since the job began to watch itself: of the job's
   * cgroup, or of the host where no cgroup counts. Null where nothing counts them, where the job succeeded, or where
   * it ended before it watched itself.
   */
  oom_kills: number | null;
  /** Seconds on a clock that never jumps. */
  duration: number;
  /** Epoch seconds. */
  started_at: number;
  finished_at: number;
}

/** What `process` says: which process executes the job. `started` tells it from a later process with the same pid. */
export interface ProcessRecord {
  host: string;
  pid: number;
  started: string;
  /** Identity of the host's boot; empty where the system has none. */
  boot: string;
}
