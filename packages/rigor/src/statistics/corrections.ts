import type { DecisionRule } from "../domain/experiment.ts";

export type Correction = DecisionRule["correction"];

/**
 * P values adjusted for all comparisons made, in the order given; compare them with alpha as they are.
 * Holm and Bonferroni bound the chance of any false finding, Benjamini-Hochberg the share of false ones.
 *
 * @throws RangeError for a p value outside [0, 1].
 */
export function adjust(p: readonly number[], method: Correction): number[] {
  const wrong = p.find((value) => !(value >= 0 && value <= 1));
  if (wrong !== undefined) throw new RangeError(`${wrong} is no p value`);
  return adjustments[method](p);
}

const adjustments: Record<Correction, (p: readonly number[]) => number[]> = {
  none: (p) => [...p],
  bonferroni: (p) => p.map((value) => Math.min(1, value * p.length)),
  holm,
  "benjamini-hochberg": benjaminiHochberg,
};

/** Step down from the smallest: the factor falls from n to 1, and no value may undercut a smaller one's. */
function holm(p: readonly number[]): number[] {
  const adjusted = [...p];
  let floor = 0;
  for (const [rank, { value, index }] of sorted(p).entries()) {
    floor = Math.max(floor, Math.min(1, value * (p.length - rank)));
    adjusted[index] = floor;
  }
  return adjusted;
}

/** Step up from the largest: the factor is n / rank, and no value may exceed a larger one's. */
function benjaminiHochberg(p: readonly number[]): number[] {
  const adjusted = [...p];
  let ceiling = 1;
  for (const [rank, { value, index }] of [...sorted(p).entries()].reverse()) {
    // The largest has factor 1; written so that rounding never puts an adjusted value below the raw one.
    ceiling = Math.min(ceiling, Math.max(value, (value * p.length) / (rank + 1)));
    adjusted[index] = ceiling;
  }
  return adjusted;
}

function sorted(p: readonly number[]): { value: number; index: number }[] {
  return p.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value);
}
