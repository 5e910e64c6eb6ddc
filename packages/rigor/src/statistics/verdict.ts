import type { Comparison, Metric } from "../domain/experiment.ts";
import type { ComparedArms } from "./comparison.ts";

export type Verdict = "supported" | "refuted" | "inconclusive";

interface Judgement {
  verdict: Verdict;
  reason: string;
}

/**
 * The verdict on one comparison.
 *
 * Supported: significantly different from zero after correction, in favour of `better`, by at least `min_effect`.
 * Refuted: significantly in favour of `than`; or significantly below `min_effect`, with the whole interval below it.
 * For a single comparison by t test the latter says that the interval excludes `min_effect` from below; testing it
 * keeps it corrected for all comparisons, and keeps a bootstrap interval of few seeds from refuting on its own.
 * Inconclusive: anything else, and whatever is incomplete or cannot be tested.
 *
 * A rank test points where most pairs point, a mean where the large ones do. When they disagree nothing is decided.
 */
export function judge(
  comparison: Comparison,
  metric: Metric,
  arms: ComparedArms,
  adjustedP: number,
  minEffectAdjustedP: number,
): Judgement {
  const { better, than, alpha, min_effect } = comparison;
  const { test_result: result, min_effect_result: minEffectResult, effect, interval, missing } = arms;
  if (result.p === null || effect === null) {
    return inconclusive(`Not testable: ${result.p === null ? result.reason : "no values"}.`);
  }
  const first = missing[0];
  if (first !== undefined) {
    return inconclusive(
      `${missing.length} planned value${missing.length === 1 ? "" : "s"} missing or without a partner, ` +
        `first ${first.arm} on ${first.task} with seed ${first.seed}; nothing is decided on a part of the runs.`,
    );
  }
  const unit = metric.unit === null ? "" : ` ${metric.unit}`;
  const found =
    `${better} against ${than} on ${comparison.metric}: effect ${short(effect)}${unit}` +
    `${interval === null ? "" : ` (${short(100 * interval.level)}% interval ${short(interval.low)} to ${short(interval.high)})`}` +
    `, adjusted ${pText(adjustedP)}, ${sizeText(arms)}`;
  if (effect !== 0 && result.direction !== 0 && result.direction !== Math.sign(effect)) {
    return inconclusive(`${found}; the ranks and the means point in opposite directions.`);
  }
  const significant = adjustedP < alpha;
  if (significant && effect < 0) return { verdict: "refuted", reason: `${found}; ${than} is better.` };
  if (significant && effect > 0 && effect >= min_effect) {
    return {
      verdict: "supported",
      reason: `${found}; at least the smallest effect that counts, ${short(min_effect)}.`,
    };
  }
  const clearlyBelow =
    minEffectResult.p !== null && minEffectResult.direction === -1 && minEffectAdjustedP < alpha && effect < min_effect;
  if (clearlyBelow && interval !== null && interval.high < min_effect) {
    return {
      verdict: "refuted",
      reason: `${found}; below the smallest effect that counts, ${short(min_effect)} (adjusted ${pText(minEffectAdjustedP)}).`,
    };
  }
  if (!significant) return inconclusive(`${found}; not below alpha = ${short(alpha)}.`);
  return inconclusive(
    `${found}; smaller than the smallest effect that counts, ${short(min_effect)}, but not clearly so.`,
  );
}

function inconclusive(reason: string): Judgement {
  return { verdict: "inconclusive", reason };
}

function sizeText({ n_pairs, n_better, n_than }: ComparedArms): string {
  return n_pairs === null ? `${n_better} and ${n_than} values` : `${n_pairs} pairs`;
}

function pText(p: number): string {
  return p < 0.0001 ? "p < 0.0001" : `p = ${short(p)}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
