import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { adjust, type Correction } from "./corrections.ts";
import { mannWhitney, mcnemar, wilcoxonSignedRank } from "./rank-tests.ts";
import { meanInterval, wilsonInterval } from "./intervals.ts";
import { cohenDz, pairedT, welchT } from "./t-tests.ts";
import type { TestResult } from "./test-result.ts";

type Case = { kind: string; a: number[]; b: number[]; x: number[]; p: number[] } & Record<string, number | number[]>;
type Expected = Record<string, unknown>;

const file = JSON.parse(readFileSync(new URL("fixtures/statistics.json", import.meta.url), "utf8")) as {
  tolerance: number;
  cases: Case[];
};

function tested(result: TestResult, statistic: string): Expected {
  if (result.p === null) throw new Error(result.reason);
  return { [statistic]: result.statistic, p_two_sided: result.p, df: result.df };
}

const adjusted =
  (method: Correction) =>
  ({ p }: Case): Expected => ({ adjusted: adjust(p, method), reject: adjust(p, method).map((value) => value < 0.05) });

const computed: Record<string, (one: Case) => Expected> = {
  paired_t: ({ a, b }) => tested(pairedT(a, b), "t"),
  welch_t: ({ a, b }) => tested(welchT(a, b), "t"),
  wilcoxon_signed_rank_exact: ({ a, b }) => tested(wilcoxonSignedRank(a, b), "w"),
  mann_whitney_exact: ({ a, b }) => tested(mannWhitney(a, b), "u"),
  mcnemar_exact: ({ only_a, only_b }) => tested(mcnemar(Number(only_a), Number(only_b)), "statistic"),
  cohen_dz: ({ a, b }) => ({ dz: cohenDz(a, b) }),
  mean_ci_t95: ({ x }) => ({ ...meanInterval(x) }),
  wilson95: ({ successes, n }) => ({ ...wilsonInterval(Number(successes), Number(n)) }),
  adjust_holm: adjusted("holm"),
  adjust_benjamini_hochberg: adjusted("benjamini-hochberg"),
  adjust_bonferroni: adjusted("bonferroni"),
};

const inputs = new Set(["kind", "a", "b", "x", "p", "only_a", "only_b", "successes", "n"]);

/** Between numbers; what is no number is at distance 0 from its like and at NaN from anything else. */
function distance(found: unknown, reference: unknown): number {
  if (typeof found === "number" && typeof reference === "number") return Math.abs(found - reference);
  return found === reference ? 0 : Number.NaN;
}

describe("values of scipy and statsmodels are reproduced to 1e-9 [statistics.reference]", () => {
  test("every kind of case in the file is known here", () => {
    expect(new Set(file.cases.map(({ kind }) => kind))).toEqual(new Set(Object.keys(computed)));
  });

  test.each(file.cases.map((one, index) => [`${one.kind} (${index})`, one] as const))("%s", (_, one) => {
    const actual = computed[one.kind]?.(one) ?? {};
    const expected = Object.entries(one).filter(([key]) => !inputs.has(key));
    expect(expected.length).toBeGreaterThan(0);
    for (const [key, value] of expected) {
      const found = [actual[key]].flat();
      expect(found).toHaveLength([value].flat().length);
      for (const [index, reference] of [value].flat().entries()) {
        expect(distance(found[index], reference)).toBeLessThan(file.tolerance);
      }
    }
  });
});
