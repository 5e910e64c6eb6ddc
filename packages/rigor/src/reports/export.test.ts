import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Comparison } from "../domain/experiment.ts";
import { decide } from "../statistics/decision.ts";
import { comparison, experiment, measured, plannedRuns, type Values } from "../statistics/statistics.testing.ts";
import { resultTable } from "../statistics/table.ts";
import { reportText, type ReportInput } from "./export.ts";
import { latexTable, markdownTable } from "./table-text.ts";
import type { PlannedTable } from "./text-table.ts";

const values: Values = {
  base: { sst2: [0.8, 0.81, 0.79, 0.82, 0.8], mnli: [0.6, 0.62, 0.6, 0.61, undefined] },
  ours: { sst2: [0.9, 0.92, 0.89, 0.93, 0.9], mnli: [0.61, 0.59, 0.61, 0.6, 0.6] },
  late: { sst2: [undefined, undefined], mnli: [0.3] },
};
const defined = experiment({ tasks: { sst2: { parameters: {} }, mnli: { parameters: {} } } });

function table(metric = "accuracy"): PlannedTable {
  const planned = plannedRuns(values);
  const made = resultTable({ experiment: defined, metric, planned, measurements: measured(values, metric) });
  return {
    ...made,
    rows: made.rows.map((row) => ({
      ...row,
      cells: row.cells.map((cell) => ({ ...cell, planned: values[row.arm]?.[cell.task]?.length ?? 0 })),
    })),
  };
}

function input(changes: Partial<Comparison> = {}): ReportInput {
  const decision = decide({
    experiment: {
      ...defined,
      decision: { comparisons: [comparison({ task: "sst2", ...changes })], correction: "holm" },
    },
    planned: plannedRuns(values),
    measurements: measured(values),
  });
  return {
    experiment: {
      reference: "lr@2",
      question: "Is 50% & more\n| enough?",
      hypothesis: null,
      commits: [{ commit: "c0ffee", runs: 11 }],
    },
    tables: [table()],
    decision: {
      ...decision,
      preregistered: false,
      notes: ["Decided without 1 planned runs."],
      confidence: { cap: "moderate", reasons: ["no run was reproduced"] },
      provisional: true,
    },
    notes: ["3 planned runs have no valid result."],
  };
}

describe("Markdown", () => {
  test("best in bold, ties within noise with a dagger, n where it is not as planned [export.formats]", () => {
    const text = markdownTable(table());
    expect(text.split("\n").slice(2)).toEqual([
      "| arm | sst2 | mnli |",
      "| :--- | ---: | ---: |",
      "| base | 0.804 ± 0.014 | **0.607 ± 0.015** (n = 4 of 5) |",
      "| ours | **0.91 ± 0.02** | 0.602 ± 0.010 † |",
      "| late | – (n = 0 of 2) | 0.3 † |",
      "",
    ]);
    expect(text).toContain("accuracy (higher is better): mean ± half of the 95 % t interval over 1 to 5 seeds.");
    expect(text).toContain("†: within noise of the best");
  });

  test("the best of a metric to be minimized is the smallest, and its unit is shown [export.formats]", () => {
    const text = markdownTable(table("loss"));
    expect(text).toContain("loss in nats (lower is better)");
    expect(text).toContain("| base | **0.804 ± 0.014** |");
  });

  test("grid parameters have columns of their own", () => {
    const planned = [0.1, 0.2].flatMap((lr) => [0, 1].map((seed) => ({ arm: "ours", task: "t", grid: { lr }, seed })));
    const measurements = planned.map((run) => ({ ...run, run_id: "r", metric: "accuracy", value: run.seed }));
    const made = resultTable({ experiment: defined, metric: "accuracy", planned, measurements });
    const text = markdownTable({
      ...made,
      rows: made.rows.map((row) => ({ ...row, cells: row.cells.map((cell) => ({ ...cell, planned: 2 })) })),
    });
    expect(text).toContain("| arm | lr | t |");
    expect(text).toContain("| ours | 0.1 | **1 ± 6** |");
  });

  test("comparisons and the decision stand below, with everything a reader must know", () => {
    const text = reportText("markdown", input());
    expect(text).toContain("**Question:** Is 50% \\& more \\| enough?");
    expect(text).toMatch(
      /\| ours against base \| 0\.10\d+ \| 0\.\d+ to 0\.\d+ \(95 % t\) \| 5 pairs \| \S.* \| supported \|/,
    );
    expect(text).toContain("Comparisons of the decision rule (metric: accuracy; task: sst2; test: paired t test).");
    expect(text).toContain("**Provisional, not decided yet: supported.**");
    for (const part of ["p values are adjusted by Holm", "at most moderate", "Decided without 1", "3 planned runs"]) {
      expect(text).toContain(part);
    }
  });

  test("without a rule there is no decision, and that is said", () => {
    const text = reportText("markdown", { ...input(), decision: null });
    expect(text).toContain("No decision rule was declared");
    expect(text).not.toContain("## Comparisons");
  });

  test("a comparison that cannot be tested has no numbers", () => {
    const text = reportText("markdown", input({ better: "late" }));
    expect(text).toContain("| late against base | – | – | 0 pairs | – | inconclusive |");
  });

  test("an exact test in place of the t test is named in both formats, beside its p value [export.formats]", () => {
    const [one] = input().decision?.comparisons ?? [];
    const decision = input().decision;
    if (one === undefined || decision === null) throw new Error("no comparison");
    const comparisons = [{ ...one, method: "permutation" as const }];
    for (const format of ["markdown", "latex"] as const) {
      const text = reportText(format, { ...input(), decision: { ...decision, comparisons } });
      expect(text).toContain("test: exact sign-flip test");
      expect(text).toContain(
        "The exact sign-flip test is in place of the paired t test, because the differences do not vary.",
      );
    }
  });

  test("what differs between comparisons has a column, what does not stands in the caption", () => {
    const { decision } = input();
    const [one] = decision?.comparisons ?? [];
    if (one === undefined || decision === null) throw new Error("no comparison");
    const comparisons = [one, { ...one, task: null, test: "wilcoxon", method: "exact" as const }];
    const text = reportText("markdown", { ...input(), decision: { ...decision, comparisons } });
    expect(text).toContain("Comparisons of the decision rule (metric: accuracy).");
    expect(text).toContain("| comparison | task | test | effect | interval | n | adjusted p | verdict |");
    expect(text).toContain("| ours against base | all tasks | exact Wilcoxon signed-rank test | ");
  });

  test("every row has the columns of the header, whatever the names", () => {
    fc.assert(
      fc.property(named, (one) => {
        const rows = markdownTable(one).trimEnd().split("\n").slice(2);
        for (const line of rows) expect(line.match(/(?<!\\)(?:\\\\)*\|/g)).toHaveLength(one.columns.length + 2);
        expect(rows).toHaveLength(one.rows.length + 2);
      }),
    );
  });
});

describe("LaTeX", () => {
  test("best in bold, ties within noise with a dagger, n where it is not as planned [export.formats]", () => {
    const text = latexTable(table(), "tab:a");
    expect(text).toContain("\\begin{tabular}{lrr}\n    \\toprule\n    arm & sst2 & mnli \\\\\n    \\midrule\n");
    expect(text).toContain("    base & $0.804 \\pm 0.014$ & $\\mathbf{0.607 \\pm 0.015}$ (n = 4 of 5) \\\\\n");
    expect(text).toContain("    late & \\textendash{} (n = 0 of 2) & $0.3$ \\textsuperscript{\\textdagger} \\\\\n");
    expect(text).toContain("\\label{tab:a}");
    expect(text).toContain("(higher is better): mean $\\pm$ half of the 95 \\% t interval");
  });

  test("the whole document balances its braces and environments", () => {
    const text = reportText("latex", input());
    expect(text).toContain("\\paragraph{Question} Is 50\\% \\& more \\textbar{} enough?");
    expect(text).toContain("\\paragraph{Decision} Provisional, not decided yet: supported.");
    expectBalanced(text);
  });

  test("no name can break out of its cell", () => {
    fc.assert(
      fc.property(named, (one) => {
        const text = latexTable(one);
        expectBalanced(text);
        const lines = text.split("\n");
        const body = lines.slice(lines.indexOf("    \\toprule") + 1, lines.indexOf("    \\bottomrule"));
        const rows = body.filter((line) => line !== "    \\midrule");
        expect(rows).toHaveLength(one.rows.length + 1);
        for (const line of rows) {
          const cells = line.replace(/ \\\\$/, "");
          expect(unescaped(cells, /&/g)).toBe(one.columns.length);
          // `$` opens and closes; none of the others has a place in a cell.
          expect(unescaped(cells, /\$/g) % 2).toBe(0);
          expect(unescaped(cells, /[#%~"`<>|]/g)).toBe(0);
          expect(unescaped(cells.replaceAll("{[}", "").replaceAll("{]}", "").replaceAll("{*}", ""), /[[\]*]/g)).toBe(0);
        }
      }),
    );
  });
});

const special = fc.constantFrom(
  "a|b",
  "a\nb",
  "\\",
  "\\|",
  "100%",
  "a_b & c",
  "$x^2$",
  "{",
  "}",
  "--",
  "[x]",
  "*",
  "λ",
  "Größe",
);
const name = fc.oneof(fc.string({ unit: "binary" }), fc.string(), special);

/** A table with any names. */
const named: fc.Arbitrary<PlannedTable> = fc
  .tuple(
    name,
    fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
    fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
  )
  .map(([metric, arms, columns]) => ({
    metric,
    goal: "maximize",
    unit: metric,
    level: 0.95,
    columns,
    rows: arms.map((arm, row) => ({
      arm,
      grid: {},
      cells: columns.map((task) => ({
        ...{ task, n: 3, planned: 4, mean: row * 1e-9, sd: 1, low: row * 1e-9 - 1e-10, high: row * 1e-9 + 1e-10 },
        ...{ best: row === 0, tied_with_best: row === 1 },
      })),
    })),
  }));

/** How often a character stands without a backslash before it. */
function unescaped(text: string, characters: RegExp): number {
  return text.replace(/\\[^A-Za-z]/g, "").match(characters)?.length ?? 0;
}

function expectBalanced(text: string): void {
  let depth = 0;
  for (const brace of text.replace(/\\[^A-Za-z]/g, "").match(/[{}]/g) ?? []) {
    depth += brace === "{" ? 1 : -1;
    expect(depth).toBeGreaterThanOrEqual(0);
  }
  expect(depth).toBe(0);
  const begun = [...text.matchAll(/\\begin\{(\w+)\}/g)]
    .map(([, one]) => one)
    .toSorted((a = "", b = "") => (a < b ? -1 : 1));
  expect(
    [...text.matchAll(/\\end\{(\w+)\}/g)].map(([, one]) => one).toSorted((a = "", b = "") => (a < b ? -1 : 1)),
  ).toEqual(begun);
}
