import type { Json } from "./canonical.ts";
import type { Experiment, Resources } from "./experiment.ts";
import type { Compute } from "./files/compute-schema.ts";
import type { InvestigationTables } from "./investigations/records.ts";
import type { IssueTables } from "./issues/records.ts";
import type { AttemptState, ComputeState, ExperimentState, RunState } from "./lifecycle.ts";

/** The commit that an experiment's runs are checked out from. */
export interface CodeVersion {
  /** The user's repository, as a real path. */
  repository: string;
  /** Commit that holds exactly what was in the working tree. */
  commit: string;
  /** The commit that was checked out; null in a repository without commits. */
  base: string | null;
  branch: string | null;
  /** True when the tree had changes and a snapshot commit was made. */
  dirty: boolean;
  /** Object id of each declared code path. */
  code: Record<string, string>;
}

/** What identifies an environment, before it is built. */
export interface EnvironmentIdentity {
  key: string;
  manager: string;
  lock: string | null;
  lock_hash: string | null;
  setup: string | null;
  /** Object ids of committed files that the lock or the setup names: a local wheel, a workspace. */
  local: Record<string, string>;
}

export interface InputIdentity {
  path: string;
  sha256: string;
  /** Bytes. */
  size: number;
  files: number;
}

/** Another experiment that one needs runs of, as it was found when the one was created. */
export interface NeededExperiment {
  experiment_id: string;
  /** NAME@VERSION */
  reference: string;
  /** Names the runs that are needed of it, by their keys. */
  runs_hash: string;
}

/** A result that an attempt was given. */
export interface GivenOutputs {
  run_id: string;
  attempt_id: string;
  /** What its outputs hash to, as inputs do. */
  sha256: string;
}

export const holdCodes = [
  /** A person held the experiment itself. Only `release` ends it. */
  "person",
  /** Nothing is left to start but runs that a person holds. */
  "runs-held",
  "budget",
  /** Its code, its environment or its inputs could not be made ready. */
  "preparation",
  /** None of its computes can run it, as they are. */
  "compute",
  /** A scheduler refused to take its runs. */
  "submission",
  /** All its jobs wait at schedulers for what only a person can change. */
  "stuck",
  "stage-failed",
  "runs-failed",
  "checks-failed",
  /** The first runs could not even start their command. */
  "command-missing",
  /** A run ended in a checkout whose code it, or another run, had changed. */
  "code-changed",
  /** Rigor itself failed to take the experiment further. */
  "fault",
] as const;
export type HoldCode = (typeof holdCodes)[number];

/** Why something waits for a person, since when, and what can be done. */
export interface Hold {
  code: HoldCode;
  reason: string;
  options: string[];
  since: string;
}

/** Results that were known before the rule of an experiment was fixed. */
export interface Foreknowledge {
  /** Runs of the final stage that had a valid result when the experiment was created. */
  known_results: number;
  /** True when the decision rule was fixed before any result that it judges was known. */
  preregistered: boolean;
  /** The experiment of the same name before this one, as NAME@VERSION. */
  predecessor: string | null;
}

export interface ExperimentRecord {
  id: string;
  name: string;
  /** Counts the experiments of one name from 1. */
  version: number;
  state: ExperimentState;
  plan_hash: string;
  definition: Experiment;
  /** The experiment file, relative to the repository. */
  file: string;
  source: CodeVersion;
  environment: EnvironmentIdentity;
  inputs: Record<string, InputIdentity>;
  /** By their names in the file. */
  needs: Record<string, NeededExperiment>;
  /** PATH of the shell that started the experiment: where commands are found without an environment. */
  search_path: string;
  total_runs: number;
  /** Index of the stage that may be dispatched now. */
  stage: number;
  hold: Hold | null;
  decision: Json;
  check_failures: Json;
  budget: Experiment["budget"];
  /** Names of compute in `rigor.yaml` that its runs start on, in order of preference. */
  compute: string[];
  /** True once a person chose to decide without the runs that failed. */
  without_failed: boolean;
  foreknowledge: Foreknowledge;
  /** How long it was running: seconds until the last time it stopped, and since when it runs again. */
  running: { seconds: number; since: string | null };
  created_by: string;
  created_at: string;
  decided_at: string | null;
}

export interface RunRecord {
  /** The run key: 64 hexadecimal digits. */
  id: string;
  state: RunState;
  /** The experiment that asked first; its code, environment and inputs are used. */
  experiment_id: string;
  arm: string;
  task: string;
  parameters: Record<string, Json>;
  seed: number;
  /** Folder below `RIGOR_NEEDS` -> the run whose outputs are in it. */
  needs: Record<string, string>;
  attempts: number;
  /** Attempts from this number on may hand their checkpoints to later ones: those since a person asked for the run. */
  resume_from: number;
  current_attempt: string | null;
  /** Failures since the last time a person asked for the run, by class of retry. */
  retries: { infrastructure: number; preemption: number; code: number };
  /** Earliest time of the next attempt. */
  not_before: string | null;
  /** Why the run is failed, held, cancelled or invalid. */
  reason: Reason | null;
  /** The attempt whose result counts. */
  result_attempt: string | null;
  created_at: string;
  changed_at: string;
}

export interface Reason {
  /** A failure category, a check's rule, or `person`. */
  code: string;
  message: string;
}

/** A run that needs another one; the same as in {@link RunRecord.needs}, to be found from either side. */
export interface NeedRecord {
  run_id: string;
  folder: string;
  needed: string;
}

/** A run's place in an experiment. */
export interface PlacementRecord {
  experiment_id: string;
  run_id: string;
  position: number;
  arm: string;
  task: string;
  grid: Record<string, Json>;
  seed: number;
  /** Indexes of the stages that include the run. */
  stages: number[];
  first_stage: number;
  /** True when the last stage includes the run: only these count in the decision. */
  in_final_stage: boolean;
}

/** What an attempt holds of a host until it ends. */
export interface Lease {
  cpus: number;
  /** Bytes. */
  memory: number;
  /** Identities of GPUs, as the driver gives them. */
  gpus: string[];
}

export interface ExitStatus {
  code: number | null;
  signal: string | null;
}

export interface AttemptRecord {
  id: string;
  run_id: string;
  experiment_id: string;
  number: number;
  state: AttemptState;
  /** Name of the compute in `rigor.yaml`. */
  compute: string;
  /** Id of the compute: the machine, and how it is reached. */
  compute_id: string;
  host: string;
  directory: string;
  lease: Lease;
  /** Grows with every lease, so that a late holder can be told from the present one. */
  fence: number;
  resources: Resources;
  /** Folder below `RIGOR_NEEDS` -> what is in it. */
  needs: Record<string, GivenOutputs>;
  /** What its scheduler calls the job; null where there is none, or where it never told. */
  job: string | null;
  process: { pid: number; started: string } | null;
  exit: ExitStatus | null;
  category: string | null;
  /** The line that shows why the attempt failed. */
  evidence: string | null;
  queued_at: string;
  started_at: string | null;
  finished_at: string | null;
  /** Seconds, by a clock that never jumps. */
  duration: number | null;
  /** The most main memory that its processes were seen to have together, in bytes; null where nothing was seen. */
  memory_peak: number | null;
  /** The most memory that was seen in use on one of its cards, whoever used it, in bytes. */
  gpu_memory_peak: number | null;
}

export interface RecordedArtifact {
  path: string;
  sha256: string;
  size: number;
}

export interface ResultRecord {
  attempt_id: string;
  run_id: string;
  metrics: Record<string, number>;
  inputs_hash: string | null;
  artifacts: RecordedArtifact[];
  /** What its result file and artifacts together hash to, as an input does: what runs that need it are given. */
  outputs_hash: string;
  /** What was left out of the result, in a sentence each. */
  warnings: string[];
  recorded_at: string;
}

/** A machine or cluster that runs were started on. */
export interface ComputeRecord {
  id: string;
  /** As it was when it was first used; what it limits is read from `rigor.yaml`. */
  configuration: Compute;
  state: ComputeState;
  /** Why it rests or is drained. */
  reason: string | null;
  /** When its rest ends. */
  until: string | null;
  checked_at: string | null;
  /** What was wrong when it was last checked. */
  problems: { check: string; found: string; remedy: string | null }[];
  /** What Rigor's directory there is marked with; null where no other daemon could take it for another one. */
  identity: string | null;
}

/** The tables that events are applied to, by the name of the table. */
export interface Tables extends IssueTables, InvestigationTables {
  experiments: ExperimentRecord;
  runs: RunRecord;
  needs: NeedRecord;
  placements: PlacementRecord;
  attempts: AttemptRecord;
  results: ResultRecord;
  computes: ComputeRecord;
}
