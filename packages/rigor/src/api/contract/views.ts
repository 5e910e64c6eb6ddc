import { z } from "zod";
import type { Json } from "../../domain/canonical.ts";
import { holdCodes } from "../../domain/records.ts";

/**
 * What the API answers with. The same JSON is printed by `--json`: members are added, never renamed or removed
 * within one major version.
 */

/** JSON, with the domain's type of it. */
export const json = z.json() as unknown as z.ZodType<Json>;
const runStates = ["pending", "active", "done", "failed", "held", "cancelled", "invalid"] as const;

export const runState = z.enum(runStates);
export const experimentState = z.enum(["draft", "running", "deciding", "decided", "held", "cancelled", "archived"]);
export const outcome = z.enum(["supported", "refuted", "inconclusive"]);

export const counts = z
  .object(
    Object.fromEntries(runStates.map((state) => [state, z.int()])) as Record<(typeof runStates)[number], z.ZodInt>,
  )
  .describe("Number of runs in each state");

export const hold = z.object({
  code: z.enum(holdCodes),
  reason: z.string(),
  options: z.array(z.string()).describe("What can be done, as commands or sentences"),
  since: z.string(),
});

export const experimentSummary = z.object({
  id: z.string(),
  reference: z.string().describe("NAME@VERSION"),
  name: z.string(),
  version: z.int(),
  state: experimentState,
  outcome: outcome.nullable().describe("Null before the decision, and where no rule was declared"),
  question: z.string().nullable(),
  file: z.string(),
  repository: z.string(),
  commit: z.string(),
  plan_hash: z.string(),
  stage: z.object({ index: z.int(), name: z.string(), of: z.int() }),
  counts,
  total_runs: z.int(),
  hold: hold.nullable(),
  created_at: z.string(),
  decided_at: z.string().nullable(),
});

export const attemptView = z.object({
  id: z.string(),
  number: z.int(),
  state: z.string(),
  compute: z.string(),
  host: z.string(),
  directory: z.string(),
  lease: z.object({ cpus: z.number(), memory: z.number().describe("bytes"), gpus: z.array(z.string()) }),
  process: z.object({ pid: z.int(), started: z.string() }).nullable(),
  exit: z.object({ code: z.int().nullable(), signal: z.string().nullable() }).nullable(),
  category: z.string().nullable(),
  evidence: z.string().nullable(),
  queued_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  duration: z.number().nullable().describe("seconds"),
});

export const runSummary = z.object({
  id: z.string(),
  experiment: z.string().describe("NAME@VERSION"),
  arm: z.string(),
  task: z.string(),
  grid: z.record(z.string(), json),
  seed: z.int(),
  state: runState,
  stale: z.boolean().nullable().describe("True when its code is no longer the repository's; null when not asked for"),
  attempts: z.int(),
  metrics: z.record(z.string(), z.number()).nullable(),
  reason: z.object({ code: z.string(), message: z.string() }).nullable(),
  host: z.string().nullable(),
  duration: z.number().nullable().describe("seconds, of the last attempt"),
  changed_at: z.string(),
});

export const runDetail = runSummary.extend({
  parameters: z.record(z.string(), json),
  command: z.string().describe("As a shell would take it"),
  repeat: z.string().describe("Shell commands that repeat the run by hand; empty before its first attempt"),
  source: z.object({
    repository: z.string(),
    commit: z.string(),
    base: z.string().nullable(),
    branch: z.string().nullable(),
    dirty: z.boolean(),
    code: z.record(z.string(), z.string()),
  }),
  environment: z.object({
    key: z.string(),
    manager: z.string(),
    lock: z.string().nullable(),
    lock_hash: z.string().nullable(),
    setup: z.string().nullable(),
    local: z.record(z.string(), z.string()).describe("Object ids of committed files that lock or setup name"),
  }),
  inputs: z.record(z.string(), z.object({ path: z.string(), sha256: z.string(), size: z.number(), files: z.int() })),
  retries: z.object({ infrastructure: z.int(), preemption: z.int(), code: z.int() }),
  not_before: z.string().nullable(),
  attempt_list: z.array(attemptView),
  result: z
    .object({
      attempt_id: z.string(),
      metrics: z.record(z.string(), z.number()),
      inputs_hash: z.string().nullable(),
      artifacts: z.array(z.object({ path: z.string(), sha256: z.string(), size: z.number() })),
      warnings: z.array(z.string()).describe("What was left out of the result"),
    })
    .nullable(),
  shared_by: z.array(z.string()).describe("Every experiment that asks for this run"),
});

export const progress = z.object({
  experiment: experimentSummary,
  finished: z.int().describe("Runs that need no further work: done, failed, invalid, cancelled"),
  shared: z.int().describe("Runs that were done before the experiment asked for them"),
  runs_per_second: z.number().nullable(),
  seconds_left: z.number().nullable(),
  elapsed: z.number().describe("seconds since it was created"),
  preparing: z
    .object({ what: z.string(), since: z.string(), log_file: z.string().nullable() })
    .nullable()
    .describe("What is being made ready before runs can start"),
  waits_for: z.string().nullable().describe("What is missing on the daemon's machine, so that no run starts there"),
  unreachable: z
    .array(z.object({ compute: z.string(), message: z.string(), since: z.string() }))
    .describe("Computes of the experiment that do not answer; its runs there may go on"),
  active: z.array(
    z.object({ run_id: z.string(), arm: z.string(), task: z.string(), seed: z.int(), seconds: z.number() }),
  ),
});

export const unlistedChanges = z
  .object({
    commit: z.string(),
    runs: z.int().describe("Runs that rest on it"),
    paths: z.array(z.string()).nullable().describe("The first 200; null where the repository does not have the commit"),
  })
  .describe("A commit that runs rest on and that differs from the present files outside `code`");

export const planView = z.object({
  name: z.string(),
  file: z.string(),
  plan_hash: z.string(),
  repository: z.string(),
  commit: z.string(),
  dirty: z.boolean(),
  changed_files: z.array(z.string()),
  arms: z.array(z.string()),
  tasks: z.array(z.string()),
  grid: z.record(z.string(), z.array(json)),
  seeds: z.array(z.int()),
  stages: z.array(z.object({ name: z.string(), runs: z.int(), to_do: z.int() })),
  total_runs: z.int(),
  done: z.int(),
  failed: z.int(),
  to_do: z.int(),
  command: z.string().describe("The command of the first run"),
  environment: z.object({ manager: z.string(), lock: z.string().nullable(), built: z.boolean() }),
  estimate: z.object({
    seconds_per_run: z.number().nullable().describe("Median of earlier runs of this experiment"),
    at_a_time: z.int(),
    seconds: z.number().nullable(),
    gpu_hours: z.number().nullable(),
  }),
  budget: z.object({ gpu_hours: z.number().nullable(), wall: z.number().nullable() }),
  compute: z.array(z.object({ name: z.string(), kind: z.string(), host: z.string(), fits: z.string() })),
  existing: z.object({ reference: z.string(), state: experimentState, same: z.boolean(), why: z.string() }).nullable(),
  unlisted_changes: z.array(unlistedChanges),
  notes: z.array(z.string()).describe("What a reader must know: runs that rest on other code"),
});

const interval = z.object({
  low: z.number(),
  high: z.number(),
  level: z.number(),
  method: z.enum(["t", "bootstrap", "permutation"]).describe("`permutation`: values without spread, so a single value"),
});
const nullableNumber = z.number().nullable();

export const tableCell = z.object({
  task: z.string(),
  n: z.int().describe("Zero when nothing was measured; the numbers are then null"),
  planned: z.int().describe("Seeds that the plan asks for"),
  mean: nullableNumber,
  sd: nullableNumber,
  low: nullableNumber,
  high: nullableNumber,
  best: z.boolean(),
  tied_with_best: z.boolean().describe("Cannot be told from the best of its column"),
  values: z.array(z.object({ seed: z.int(), value: z.number(), run_id: z.string() })),
});

export const resultTable = z.object({
  metric: z.string(),
  goal: z.enum(["maximize", "minimize"]),
  unit: z.string().nullable(),
  level: z.number().describe("Level of the intervals"),
  columns: z.array(z.string()).describe("Tasks"),
  rows: z.array(
    z.object({
      arm: z.string(),
      role: z.string().nullable(),
      grid: z.record(z.string(), json),
      cells: z.array(tableCell),
    }),
  ),
});

export const comparisonView = z.object({
  better: z.string(),
  than: z.string(),
  metric: z.string(),
  goal: z.enum(["maximize", "minimize"]),
  unit: z.string().nullable(),
  task: z.string().nullable().describe("Null pools all tasks"),
  test: z.string(),
  alpha: z.number(),
  min_effect: z.number(),
  n_better: z.int(),
  n_than: z.int(),
  n_pairs: z.int().nullable().describe("Null for tests that do not pair"),
  mean_better: nullableNumber,
  mean_than: nullableNumber,
  effect: nullableNumber.describe("Difference of means; positive when `better` is better by the metric's goal"),
  interval: interval.nullable(),
  cohen_d: nullableNumber,
  cohen_dz: nullableNumber,
  testable: z.boolean(),
  method: z
    .enum(["t", "exact", "normal", "permutation"])
    .nullable()
    .describe("How p was found; `permutation`: by an exact test in place of a t test, where nothing varies"),
  statistic: nullableNumber,
  df: nullableNumber,
  p: nullableNumber,
  adjusted_p: nullableNumber,
  min_effect_p: nullableNumber,
  min_effect_adjusted_p: nullableNumber,
  missing: z.array(json),
  verdict: outcome,
  reason: z.string(),
  run_ids: z.array(z.string()),
});

export const decisionView = z.object({
  outcome,
  reason: z.string(),
  correction: z.string(),
  comparisons: z.array(comparisonView),
  rule_hash: z.string(),
  preregistered: z.boolean().describe("False when results were known before this rule was fixed"),
  notes: z.array(z.string()).describe("What a reader must know: rule changed, runs left out"),
  confidence: z.object({ cap: z.enum(["low", "moderate", "high"]), reasons: z.array(z.string()) }),
});

export const checkFailure = z.object({
  rule: z.string(),
  message: z.string(),
  run_ids: z.array(z.string()),
  values: json,
});

export const resultsView = z.object({
  experiment: experimentSummary,
  hypothesis: z.string().nullable(),
  /** The primary metric first. */
  tables: z.array(resultTable),
  decision: decisionView.nullable(),
  provisional: z.boolean().describe("True until the experiment is decided"),
  commits: z
    .array(z.object({ commit: z.string(), runs: z.int() }))
    .describe("Commits that the results which count were made from, the one with most runs first"),
  stale: z
    .boolean()
    .nullable()
    .describe("True when its code is no longer the repository's; null where that is not known"),
  unlisted_changes: z.array(unlistedChanges),
  notes: z.array(z.string()).describe("What else a reader must know: stale results, runs that rest on other code"),
  check_failures: z.array(checkFailure),
  missing_runs: z.int(),
  where: z.object({
    data_directory: z.string(),
    attempts: z.string(),
    repository: z.string(),
    commit: z.string(),
    file: z.string(),
  }),
});

export const hostView = z.object({
  name: z.string(),
  kind: z.string(),
  cpus: z.number(),
  cpus_used: z.number(),
  memory: z.number().describe("bytes"),
  memory_used: z.number(),
  gpus: z.array(
    z.object({
      id: z.string(),
      index: z.int(),
      name: z.string(),
      memory: z.number(),
      memory_free: z.number(),
      held_by: z.string().nullable().describe("attempt"),
    }),
  ),
});

export const statusView = z.object({
  version: z.string(),
  data_directory: z.string(),
  database: z.string(),
  address: z.string(),
  pid: z.int(),
  started_at: z.string(),
  counts,
  experiments: z.array(experimentSummary).describe("Those that are under way or wait, then the newest others"),
  hosts: z.array(hostView),
});

export const finding = z.object({
  check: z.string(),
  ok: z.boolean(),
  found: z.string(),
  remedy: z.string().nullable(),
});

export const computeView = z.object({
  name: z.string().describe("as rigor.yaml calls it"),
  id: z.string().describe("the machine, and how it is reached"),
  kind: z.string(),
  host: z.string().describe("the machine that is talked to"),
  state: z.string().describe("available, resting or drained"),
  reason: z.string().nullable().describe("why it rests or is drained"),
  until: z.string().nullable().describe("when its rest ends"),
  trouble: z
    .object({ message: z.string(), next: z.string().nullable(), since: z.string() })
    .nullable()
    .describe("Why it could not be asked when that was last tried"),
  jobs: z.int().describe("attempts under way"),
  max_jobs: z.int().nullable(),
  capacity: hostView.nullable().describe("What the machine has; null for a cluster, and before it was looked at"),
  checked_at: z.string().nullable(),
  problems: z.array(finding.omit({ ok: true })).describe("What was wrong when it was last checked"),
});

export const health = z.object({
  name: z.literal("rigor"),
  version: z.string(),
  pid: z.int(),
  instance: z.string().describe("Changes with every start, so that a client knows the daemon that it meant"),
  data_directory: z.string(),
  started_at: z.string(),
});

export const doctorCheck = z.object({
  name: z.string(),
  ok: z.boolean(),
  /** False when the lab works without it. */
  required: z.boolean(),
  found: z.string(),
  remedy: z.string().nullable(),
});

export const logChunk = z.object({
  attempt_id: z.string(),
  stream: z.enum(["stdout", "stderr"]),
  offset: z.int().describe("Byte offset of the chunk"),
  next_offset: z.int(),
  base64: z.string(),
  ended: z.boolean().describe("True when the attempt has ended and the chunk reaches the end of the log"),
});

export const loggedEvent = z.object({
  position: z.int(),
  origin: z.string(),
  seq: z.int(),
  time: z.string(),
  actor: z.string(),
  kind: z.string(),
  version: z.int(),
  entity: z.string(),
  data: json,
});

export type ExperimentSummary = z.infer<typeof experimentSummary>;
export type RunSummary = z.infer<typeof runSummary>;
export type RunDetail = z.infer<typeof runDetail>;
export type AttemptView = z.infer<typeof attemptView>;
export type Progress = z.infer<typeof progress>;
export type UnlistedChangesView = z.infer<typeof unlistedChanges>;
export type PlanView = z.infer<typeof planView>;
export type ResultTableView = z.infer<typeof resultTable>;
export type ComparisonView = z.infer<typeof comparisonView>;
export type DecisionView = z.infer<typeof decisionView>;
export type CheckFailureView = z.infer<typeof checkFailure>;
export type ResultsView = z.infer<typeof resultsView>;
export type StatusView = z.infer<typeof statusView>;
export type HostView = z.infer<typeof hostView>;
export type ComputeView = z.infer<typeof computeView>;
export type Finding = z.infer<typeof finding>;
export type DoctorCheck = z.infer<typeof doctorCheck>;
export type LogChunk = z.infer<typeof logChunk>;
