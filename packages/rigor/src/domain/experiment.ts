import type { Json } from "./canonical.ts";

/**
 * An experiment as its file states it, with defaults filled in and units resolved (bytes, seconds).
 * Keys are those of the file, because people read this object as JSON too.
 */
export interface Experiment {
  name: string;
  question: string | null;
  hypothesis: string | null;
  metrics: Record<string, Metric>;
  primary_metric: string;
  arms: Record<string, Arm>;
  tasks: Record<string, Task>;
  /** A further grid: every combination of these values is a cell of its own. */
  parameters: Record<string, { values: Json[] }>;
  seeds: number[];
  /** Paths whose committed content identifies a run; `.` is the whole repository. */
  code: string[];
  environment: Environment;
  /** What every run needs of other experiments. */
  needs: Need[];
  inputs: Record<string, { path: string }>;
  /** A POSIX shell command with placeholders, or an argument list that no shell reads. */
  run: string | string[];
  resources: Resources;
  outputs: { result: string; artifacts: string[] };
  checks: Checks;
  stages: Stage[];
  decision: DecisionRule | null;
  budget: { gpu_hours: number | null; wall: number | null };
  retry: { infrastructure: number; preemption: number | "unlimited"; code: number };
  /** Names of compute in `rigor.yaml`, in order of preference. */
  compute: string[];
}

export interface Metric {
  goal: "maximize" | "minimize";
  /** Closed interval in which a value is plausible; null is unbounded. */
  range: [number | null, number | null];
  /** Unit for people: `nats`, `%`, `s`. */
  unit: string | null;
}

export interface Arm {
  role: "baseline" | "ours" | "ablation" | "control" | "other";
  parameters: Record<string, Json>;
  needs: Need[];
  /** The metrics that its runs report; null is all. */
  metrics: string[] | null;
  /** The artifacts that its runs write; null is those of `outputs`. */
  artifacts: string[] | null;
}

/** A run whose outputs another one gets. */
export interface Need {
  /** NAME or NAME@VERSION; null is the same experiment. */
  experiment: string | null;
  /** Null is every arm of the other experiment. */
  arm: string | null;
  /** Folder below `RIGOR_NEEDS`. With every arm, each has a folder in it. */
  folder: string;
  /** Null is the task of the run that needs it. */
  task: string | null;
  /** Null is the seed of the run that needs it. */
  seed: number | null;
  /** Grid values that are not those of the run that needs it. */
  parameters: Record<string, Json>;
}

export interface Task {
  parameters: Record<string, Json>;
}

export interface Environment {
  manager: "npm" | "uv" | "pip" | "conda" | "none";
  lock: string | null;
  setup: string | null;
  /** Variables set for the run; their values are recorded and identify the run. */
  variables: Record<string, string>;
  /** Names of variables handed through from the daemon; their values are never recorded. */
  pass: string[];
}

export interface Resources {
  cpus: number;
  gpus: number;
  /** Bytes; null is not limited. */
  gpu_memory: number | null;
  /** Bytes; null reserves none. */
  memory: number | null;
  /** Seconds until the run is stopped; null never stops it. */
  time: number | null;
}

export interface Checks {
  /** Chance level of a metric: a baseline at or on the wrong side of it is refused. */
  chance: Record<string, number>;
  /** Every arm of a task must report the same `inputs_hash`. */
  same_inputs: boolean;
  /** Metrics for which zero is a possible value. */
  zero_allowed: string[];
  /** Metrics whose values may be equal for all seeds. */
  constant_allowed: string[];
}

export interface Stage {
  name: string;
  /** Null takes all seeds of the experiment. */
  seeds: number[] | null;
  arms: string[] | null;
  tasks: string[] | null;
  pass: PassRule;
}

/** What must hold at the end of a stage before the next one starts. */
export interface PassRule {
  all_succeed: boolean;
  /** Bounds on the mean of a metric over the stage's runs; `arm: null` takes all arms. */
  metrics: { metric: string; arm: string | null; at_least: number | null; at_most: number | null }[];
}

export interface DecisionRule {
  comparisons: Comparison[];
  correction: "holm" | "benjamini-hochberg" | "bonferroni" | "none";
}

export interface Comparison {
  better: string;
  than: string;
  metric: string;
  test: "paired-t" | "wilcoxon" | "welch" | "mann-whitney";
  alpha: number;
  /** Smallest difference of means, in the metric's unit and in the direction of its goal, that counts. */
  min_effect: number;
  /** Null pools all tasks; pairs are matched by (task, parameters, seed). */
  task: string | null;
}

/** One place in the result table: arm x task x further parameters. */
export interface Cell {
  arm: string;
  task: string;
  /** Values of the further grid only. */
  grid: Record<string, Json>;
  /** What the run gets: arm, task and grid parameters merged. */
  parameters: Record<string, Json>;
}

/** One recorded value of one run. */
export interface Measurement {
  run_id: string;
  arm: string;
  task: string;
  grid: Record<string, Json>;
  seed: number;
  metric: string;
  value: number;
}
