import { halfWidth, percent, plural } from "./numbers.ts";

/** What results are called, alike on the terminal and in exports. Pure; loaded by clients. */

const tests: Readonly<Record<string, string>> = {
  "paired-t": "paired t test",
  wilcoxon: "Wilcoxon signed-rank test",
  welch: "Welch's t test",
  "mann-whitney": "Mann-Whitney U test",
};

/** What takes the place of a t test where nothing varies, because t is not defined there. */
const replacements: Readonly<Record<string, { name: string; reason: string }>> = {
  "paired-t": {
    name: "exact sign-flip test",
    reason: "in place of the paired t test, because the differences do not vary",
  },
  welch: {
    name: "exact permutation test",
    reason: "in place of Welch's t test, because the values of neither arm vary",
  },
};

/**
 * The test that gave a p value, in words.
 *
 * @param test as the decision rule names it
 * @param method how p was found; null where there is none
 */
export function testName(test: string, method: string | null): string {
  const name = tests[test] ?? test;
  if (method === "permutation") return replacements[test]?.name ?? name;
  if (method === "exact") return `exact ${name}`;
  return method === "normal" ? `${name}, by normal approximation` : name;
}

/** Why it is not the test that the rule names; null where it is. */
export function replacementReason(test: string, method: string | null): string | null {
  return method === "permutation" ? (replacements[test]?.reason ?? null) : null;
}

const corrections: Readonly<Record<string, string>> = {
  holm: "adjusted by Holm's method",
  "benjamini-hochberg": "adjusted by the method of Benjamini and Hochberg",
  bonferroni: "adjusted by Bonferroni's method",
  none: "not adjusted",
};

/** What was done to the p values of a decision, as the end of a sentence. */
export function correctionText(correction: string): string {
  return corrections[correction] ?? correction;
}

/** What a table of one metric shows. */
export interface TableFacts {
  metric: string;
  unit: string | null;
  goal: "maximize" | "minimize";
  /** Level of the intervals. */
  level: number;
  rows: readonly {
    cells: readonly { n: number; mean: number | null; low: number | null; high: number | null }[];
  }[];
}

/** `loss in nats (lower is better): mean ± half of the 95 % t interval over 5 seeds` */
export function tableTitle({ metric, unit, goal, level, rows }: TableFacts): string {
  const measured = rows.flatMap((row) => row.cells).filter(({ mean }) => mean !== null);
  const better = goal === "minimize" ? "lower is better" : "higher is better";
  const spread = measured.some((cell) => halfWidth(cell) !== null) ? ` ± half of the ${percent(level)} t interval` : "";
  return `${metric}${unit === null ? "" : ` in ${unit}`} (${better}): mean${spread}${overSeeds(measured.map(({ n }) => n))}`;
}

function overSeeds(counts: readonly number[]): string {
  if (counts.length === 0) return "";
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most ? ` over ${plural(most, "seed")}` : ` over ${fewest} to ${most} seeds`;
}

/** What a reader must know to trust a decision, in sentences. */
export function decisionRemarks({
  preregistered,
  notes,
  correction,
  confidence: { cap, reasons },
}: {
  preregistered: boolean;
  notes: readonly string[];
  correction: string;
  confidence: { cap: string; reasons: readonly string[] };
}): string[] {
  return [
    ...(preregistered ? ["The rule was fixed before any result was known."] : []),
    ...notes,
    `The p values are ${correctionText(correction)}.`,
    `Confidence is at most ${cap}${reasons.length === 0 ? "" : `: ${reasons.join("; ")}`}.`,
  ];
}

/** Stands in place of a decision. */
export const noRule = "No decision rule was declared: this experiment only measures.";

/** The beginning of an id, as it is shown and can be given back. */
export function shortId(id: string): string {
  return id.slice(0, 10);
}

/** Any parameter value, briefly: texts as they are, the rest as JSON. */
export function parameterText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `lr=0.1, depth=3` */
export function gridText(grid: Readonly<Record<string, unknown>>): string {
  return Object.entries(grid)
    .map(([name, value]) => `${name}=${parameterText(value)}`)
    .join(", ");
}
