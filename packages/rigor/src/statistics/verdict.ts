import type { Comparison, Metric } from "../domain/experiment.ts";
import { halfWidth, number, percent, plural, pText, quantityText, roundedBy } from "../domain/format/numbers.ts";
import { testName } from "../domain/format/words.ts";
import { isPaired, type ComparedArms } from "./comparison.ts";
import { placeText } from "./places.ts";
import { smallestP } from "./t-tests.ts";

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
  const { test_result: result, effect, missing } = arms;
  if (result.p === null || effect === null) {
    return inconclusive(`Not testable: ${result.p === null ? result.reason : "no values"}.`);
  }
  const [first] = missing;
  if (first !== undefined) {
    const count = plural(missing.length, "planned value");
    const where = `${first.arm} on ${placeText(first)}`;
    return inconclusive(
      `${count} missing or without a partner, first ${where}; nothing is decided on a part of the runs.`,
    );
  }
  const found = foundText(comparison, metric, arms, effect, adjustedP);
  if (effect !== 0 && result.direction !== 0 && result.direction !== Math.sign(effect)) {
    return inconclusive(`${found}; the ranks and the means point in opposite directions.`);
  }
  return judgeEffect(comparison, arms, { found, effect, adjustedP, minEffectAdjustedP });
}

function judgeEffect(
  comparison: Comparison,
  arms: ComparedArms,
  {
    found,
    effect,
    adjustedP,
    minEffectAdjustedP,
  }: {
    found: string;
    effect: number;
    adjustedP: number;
    minEffectAdjustedP: number;
  },
): Judgement {
  const { than, alpha, min_effect } = comparison;
  const { min_effect_result: minEffectResult, interval } = arms;
  const smallest = `the smallest effect that counts, ${number(min_effect)}`;
  const significant = adjustedP < alpha;
  if (significant && effect < 0) return { verdict: "refuted", reason: `${found}; ${than} is better.` };
  if (significant && effect > 0 && effect >= min_effect) {
    return { verdict: "supported", reason: min_effect === 0 ? `${found}.` : `${found}; at least ${smallest}.` };
  }
  const below = minEffectResult.p !== null && minEffectResult.direction === -1 && effect < min_effect;
  if (below && minEffectAdjustedP < alpha && interval !== null && interval.high < min_effect) {
    return { verdict: "refuted", reason: `${found}; below ${smallest} (adjusted ${pPhrase(minEffectAdjustedP)}).` };
  }
  if (!significant) return inconclusive(`${found}; not below alpha = ${number(alpha)}${outOfReach(comparison, arms)}.`);
  return inconclusive(`${found}; smaller than ${smallest}, but not clearly so.`);
}

/** What was measured, as the beginning of a sentence. */
function foundText(
  comparison: Comparison,
  { unit }: Metric,
  arms: ComparedArms,
  effect: number,
  adjustedP: number,
): string {
  const { better, than, metric: name } = comparison;
  const { interval } = arms;
  const values = interval === null ? [effect] : [effect, interval.low, interval.high];
  const { texts, exponent } = roundedBy(interval === null ? null : halfWidth(interval), values, "two");
  const [size, low, high] = texts.map((text) => quantityText(text, null, exponent));
  const bounds = interval === null ? "" : ` (${percent(interval.level)} interval ${low} to ${high})`;
  return `${better} against ${than} on ${name}: effect ${size}${unit === null ? "" : ` ${unit}`}${bounds}, adjusted ${pPhrase(adjustedP)}${insteadText(comparison, arms)}, ${sizeText(arms)}`;
}

/** Names the test where it is not the one that the rule names. */
function insteadText({ test }: Comparison, { test_result: result }: ComparedArms): string {
  return result.p !== null && result.method === "permutation" ? ` by the ${testName(test, result.method)}` : "";
}

/** Whether so few values that do not vary could give a p value below alpha at all, and how many could. */
function outOfReach({ alpha, test }: Comparison, { test_result: result, n_better, n_than }: ComparedArms): string {
  const paired = isPaired(test);
  if (result.p === null || result.method !== "permutation" || smallestP(paired, n_better, n_than) < alpha) return "";
  let enough = Math.max(n_better, n_than);
  while (smallestP(paired, enough, enough) >= alpha) enough += 1;
  return `, which takes at least ${enough} ${paired ? "pairs" : "values of each arm"} where nothing varies`;
}

function inconclusive(reason: string): Judgement {
  return { verdict: "inconclusive", reason };
}

function sizeText({ n_pairs, n_better, n_than }: ComparedArms): string {
  return n_pairs === null ? `${n_better} and ${n_than} values` : plural(n_pairs, "pair");
}

function pPhrase(p: number): string {
  const text = pText(p);
  return text.startsWith("<") ? `p ${text}` : `p = ${text}`;
}
