/** What a job may use of the machine that a scheduler chooses for it. */
export interface JobResources {
  cpus: number;
  gpus: number;
  /** Bytes of main memory; null leaves it to the scheduler's default. */
  memory: number | null;
}

/** Checkpoints of an earlier attempt of a run. */
export interface Resumption {
  attempt: string;
  compute: string;
  /** Absolute path on the machine that goes on from them. */
  path: string;
  /** They were copied there from another compute. */
  is_copy: boolean;
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
  /** Path below `RIGOR_NEEDS` -> the directory on the host that is found there. The job does not start without it. */
  needs?: Readonly<Record<string, string>>;
  /** What was staged for it: absolute paths of the host, which no clean-up removes while the job is under way. */
  staged?: readonly string[];
  /** Directories that come before the machine's own `PATH`. */
  path_prefix?: readonly string[];
  /** Written to the file that `RIGOR_PARAMETERS` names. */
  parameters: unknown;
  /** Files and folders below its output that are needed of it: they are brought over from other machines. */
  outputs?: readonly string[];
  /** Bytes that they may take together: more stays there. Default: any number. */
  most_output?: number;
  /**
   * Earlier attempt whose checkpoints it goes on from, the name of its compute, and where they are now; or why it starts
   * anew although there are some. Null: there are none.
   */
  resume?: Resumption | { attempt: null; reason: string } | null;
  /** Whole seconds of run time; null for no limit. */
  time_limit: number | null;
  /** What is asked of a scheduler. Default: one core. */
  resources?: JobResources;
  /** Whole seconds between TERM and KILL. */
  grace: number;
  /** Whole seconds beyond its own limits that a scheduler is asked for, in which it starts and records its end. Default: 300. */
  margin?: number;
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
  /**
   * The most main memory that the run's processes had together at a sign of life, in bytes. What they share counts for
   * each. Null where nothing was seen: the job was too short, or its system does not tell.
   */
  memory_peak: number | null;
  /**
   * The most memory in use at a sign of life, in bytes, of the card that had most, whoever used it. Null where nothing was
   * seen, and where nobody said which cards are the run's.
   */
  gpu_memory_peak: number | null;
  /** How often its scheduler had interrupted it and started it again. What is measured is that of the last start. */
  restarts: number;
  /** It was started again, and `RIGOR_RESUME` led to what it had saved itself. */
  resumed: boolean;
  /**
   * How many files of the commit somebody had written to or removed in the checkout when the run ended, and how many others
   * were there. The end of its stderr names some.
   */
  code_changed: number;
  code_added: number;
  /** Seconds on a clock that never jumps. */
  duration: number;
  /** Epoch seconds. */
  started_at: number;
  finished_at: number;
}
