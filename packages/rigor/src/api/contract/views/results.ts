import { z } from "zod";
import { experimentSummary } from "./experiments.ts";
import { json, outcome } from "./states.ts";

export const unlistedChanges = z
  .object({
    commit: z.string(),
    runs: z.int().describe("Runs that rest on it"),
    paths: z.array(z.string()).nullable().describe("The first 200; null where the repository does not have the commit"),
  })
  .describe("A commit that runs rest on and that differs from the present files outside `code`");

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

export type UnlistedChangesView = z.infer<typeof unlistedChanges>;
export type ResultTableView = z.infer<typeof resultTable>;
export type ComparisonView = z.infer<typeof comparisonView>;
export type DecisionView = z.infer<typeof decisionView>;
export type CheckFailureView = z.infer<typeof checkFailure>;
export type ResultsView = z.infer<typeof resultsView>;
