import { halfWidth, number, percent, plural, pText, quantityText, roundedBy } from "../../domain/format/numbers.ts";
import type { Directive } from "./directives.ts";
import type { DocumentFacts, MeasuredComparison } from "./facts.ts";
import { rangeText, withUnit, type Measured, type SourceRun, type Unresolved } from "./values.ts";

export const comparisonParts = ["effect", "interval", "p", "verdict", "n"] as const;
type Part = (typeof comparisonParts)[number];

/** `:comparison[effect]{number=1}`; without a label everything that is known of it. */
export function resolveComparison({ label, attributes }: Directive, facts: DocumentFacts): Measured | Unresolved {
  const comparison = chosenComparison(attributes["number"], facts);
  if ("next" in comparison) return comparison;
  const part = label === "" ? null : comparisonParts.find((one) => one === label);
  if (part === undefined) {
    const next = `Write one of: ${comparisonParts.join(", ")}; or no brackets for all of it.`;
    return { message: `A comparison has no \`${label}\`.`, next };
  }
  const text = part === null ? wholeText(comparison) : partTexts[part](comparison);
  if (text === null) {
    return {
      message: `${comparisonTitle(comparison)} has no ${part}: ${comparison.reason}`,
      next: "Write `:comparison` without brackets, or leave it out.",
    };
  }
  return {
    text,
    about: comparisonSource(comparison),
    runs: runsOf(comparison, facts),
    exact: exactComparison(comparison),
  };
}

/** By its number in the decision, from 1; the only one need not be named. */
export function chosenComparison(
  chosen: string | undefined,
  { decision }: DocumentFacts,
): MeasuredComparison | Unresolved {
  const all = decision?.comparisons ?? [];
  if (all.length === 0) {
    return {
      message: "The experiment declares no comparison.",
      next: "Use `:value` and `::table`, or declare one under `decision` and run it again.",
    };
  }
  const list = all.map((one, index) => `${index + 1} (${comparisonTitle(one)})`).join("; ");
  if (chosen === undefined && all.length > 1) {
    return { message: "The directive does not say which comparison it means.", next: `Add its number: ${list}.` };
  }
  const comparison = all[Number(chosen ?? "1") - 1];
  return comparison ?? { message: `There is no comparison ${chosen}.`, next: `Use one of: ${list}.` };
}

/** `ours against base on accuracy, sst2` */
export function comparisonTitle({ better, than, metric, task }: MeasuredComparison): string {
  return `${better} against ${than} on ${metric}${task === null ? "" : `, ${task}`}`;
}

/** What its numbers rest on. */
export function comparisonSource(comparison: MeasuredComparison): string {
  return `comparison of ${comparisonTitle(comparison)}`;
}

export function isSignificant({ adjusted_p: p, alpha }: MeasuredComparison): boolean {
  return p !== null && p < alpha;
}

export function runsOf({ run_ids, metric }: MeasuredComparison, { runs }: DocumentFacts): SourceRun[] {
  const ids = new Set(run_ids);
  return runs
    .filter(({ run_id }) => ids.has(run_id))
    .map(({ run_id, seed, result }) => ({ run_id, seed, value: result?.metrics[metric] ?? null }));
}

export function exactComparison(one: MeasuredComparison): Measured["exact"] {
  const { better, than, metric, task, effect, interval, adjusted_p, n_better, n_than, n_pairs, verdict } = one;
  const bounds = interval === null ? null : [interval.low, interval.high, interval.level];
  return { better, than, metric, task, effect, interval: bounds, adjusted_p, n_better, n_than, n_pairs, verdict };
}

const partTexts: Readonly<Record<Part, (one: MeasuredComparison) => string | null>> = {
  effect: (one) => (one.effect === null ? null : effectText(one.effect, one)),
  interval: ({ interval, unit }) =>
    interval === null ? null : `${rangeText(interval.low, interval.high, unit)} (${percent(interval.level)})`,
  p: ({ adjusted_p: p }) => (p === null ? null : pEquation(p)),
  verdict: ({ verdict }) => verdict,
  n: ({ n_pairs, n_better, n_than }) =>
    n_pairs === null ? `${n_better} and ${n_than} values` : plural(n_pairs, "pair"),
};

function wholeText(one: MeasuredComparison): string {
  const { interval } = one;
  const effect = partTexts.effect(one);
  const p = partTexts.p(one);
  const bounds =
    interval === null
      ? null
      : `${percent(interval.level)} interval ${rangeText(interval.low, interval.high, one.unit)}`;
  const known = [
    effect === null ? null : `effect ${effect}`,
    bounds,
    p === null ? null : `adjusted ${p}`,
    partTexts.n(one),
  ];
  return `${one.verdict}: ${known.filter((part) => part !== null).join(", ")}`;
}

function effectText(effect: number, { interval, unit }: MeasuredComparison): string {
  if (interval === null) return withUnit(number(effect), unit);
  const { texts, exponent } = roundedBy(halfWidth(interval), [effect], "two");
  return withUnit(quantityText(texts[0] ?? "", null, exponent), unit);
}

function pEquation(p: number): string {
  const text = pText(p);
  return text.startsWith("<") ? `p ${text}` : `p = ${text}`;
}
