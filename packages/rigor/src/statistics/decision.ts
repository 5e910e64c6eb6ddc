import type { Comparison, Experiment, Measurement, Metric } from "../domain/experiment.ts";
import { compareArms, type ComparedArms, type EffectInterval, type MissingValue } from "./comparison.ts";
import { adjust, type Correction } from "./corrections.ts";
import { parsedRule, ruleHash } from "./decision-rule.ts";
import type { RunPlace } from "./places.ts";
import type { TestMethod } from "./test-result.ts";
import { judge, type Verdict } from "./verdict.ts";

/** The plan's rule, evaluated. JSON-ready. */
export interface Decision {
  outcome: Verdict;
  reason: string;
  correction: Correction;
  /** Names the rule: its comparisons, correction and the goals of the metrics compared. */
  rule_hash: string;
  /** Whether the rule is another one than was registered before the first run; null when none was given. */
  rule_changed: boolean | null;
  comparisons: ComparisonResult[];
}

/** One comparison, evaluated. All tests are two-sided; a positive effect favours the arm named `better`. */
export interface ComparisonResult {
  better: string;
  than: string;
  metric: string;
  goal: Metric["goal"];
  unit: string | null;
  /** Null pools all tasks. */
  task: string | null;
  test: Comparison["test"];
  alpha: number;
  min_effect: number;
  n_better: number;
  n_than: number;
  /** Null for tests that do not pair. */
  n_pairs: number | null;
  mean_better: number | null;
  mean_than: number | null;
  /** Difference of means in the metric's unit. */
  effect: number | null;
  interval: EffectInterval | null;
  cohen_d: number | null;
  cohen_dz: number | null;
  testable: boolean;
  /** How p was found; null when not testable. */
  method: TestMethod | null;
  statistic: number | null;
  df: number | null;
  /** Against no difference: raw, and adjusted for all comparisons of the rule. */
  p: number | null;
  adjusted_p: number | null;
  /** Against a difference of exactly `min_effect`: raw and adjusted. */
  min_effect_p: number | null;
  min_effect_adjusted_p: number | null;
  /** Planned runs that could not take part; while there are any the verdict is inconclusive. */
  missing: MissingValue[];
  verdict: Verdict;
  reason: string;
  run_ids: string[];
}

export interface DecisionInput {
  experiment: Pick<Experiment, "decision" | "metrics">;
  /** The runs of the final stage, without those that a person chose to skip. */
  planned: readonly RunPlace[];
  measurements: readonly Measurement[];
  /** `ruleHash` of the rule as it was before the first run. */
  registered_rule_hash?: string;
}

/**
 * Evaluates the plan's decision rule. Values that are not planned (pilots, archived runs) do not count, and every
 * planned value must be there: nothing is decided on a part of the seeds.
 *
 * A comparison that cannot be tested keeps its place in the family with p = 1, so that a failed arm never makes the
 * others look better.
 *
 * @throws RigorError `not-possible` without a rule, `file-invalid` for a metric that is not declared.
 */
export function decide({ experiment, planned, measurements, registered_rule_hash }: DecisionInput): Decision {
  const { rule, compared } = parsedRule(experiment);
  const measured = compared.map(({ comparison, metric }) => ({
    comparison,
    metric,
    arms: compareArms(comparison, metric.goal, planned, measurements),
  }));
  const adjusted = adjust(
    measured.map(({ arms }) => arms.test_result.p ?? 1),
    rule.correction,
  );
  const minEffectAdjusted = adjust(
    measured.map(({ arms }) => arms.min_effect_result.p ?? 1),
    rule.correction,
  );
  const comparisons = measured.map(({ comparison, metric, arms }, index) =>
    comparisonResult(comparison, metric, arms, adjusted[index] ?? 1, minEffectAdjusted[index] ?? 1),
  );
  const hash = ruleHash(experiment);
  const changed = registered_rule_hash === undefined ? null : registered_rule_hash !== hash;
  const outcome = overall(comparisons.map(({ verdict }) => verdict));
  return {
    outcome,
    reason: overallReason(comparisons, changed === true),
    correction: rule.correction,
    rule_hash: hash,
    rule_changed: changed,
    comparisons,
  };
}

function comparisonResult(
  comparison: Comparison,
  metric: Metric,
  arms: ComparedArms,
  adjustedP: number,
  minEffectAdjustedP: number,
): ComparisonResult {
  const { test_result: result, min_effect_result: minEffectResult, missing, run_ids, ...numbers } = arms;
  const { better, than, task, test, alpha, min_effect } = comparison;
  const tested = result.p === null ? null : result;
  return {
    better,
    than,
    metric: comparison.metric,
    goal: metric.goal,
    unit: metric.unit,
    task,
    test,
    alpha,
    min_effect,
    ...numbers,
    testable: tested !== null,
    method: tested?.method ?? null,
    statistic: tested?.statistic ?? null,
    df: tested?.df ?? null,
    p: tested?.p ?? null,
    adjusted_p: tested === null ? null : adjustedP,
    min_effect_p: minEffectResult.p,
    min_effect_adjusted_p: minEffectResult.p === null ? null : minEffectAdjustedP,
    missing,
    ...judge(comparison, metric, arms, adjustedP, minEffectAdjustedP),
    run_ids,
  };
}

/** All supported: supported. Any refuted: refuted. Else, and without any comparison, inconclusive. */
function overall(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("refuted")) return "refuted";
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === "supported") ? "supported" : "inconclusive";
}

function overallReason(comparisons: readonly ComparisonResult[], changed: boolean): string {
  const tally = (["supported", "refuted", "inconclusive"] as const)
    .map((verdict) => ({ verdict, n: comparisons.filter((one) => one.verdict === verdict).length }))
    .filter(({ n }) => n > 0)
    .map(({ verdict, n }) => `${n} ${verdict}`);
  const what = comparisons.length === 1 ? "comparison" : "comparisons";
  const counted =
    comparisons.length === 0 ? "The rule compares nothing." : `${comparisons.length} ${what}: ${tally.join(", ")}.`;
  return changed ? `${counted} The rule is not the one that was registered before the first run.` : counted;
}
