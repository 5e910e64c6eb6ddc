import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { reportText, type ReportInput } from "./export.ts";
import { characterDefinitions, escapeLatex } from "./latex.ts";

describe("LaTeX text", () => {
  test("characters with a meaning for TeX print as they are [export.formats]", () => {
    expect(escapeLatex(String.raw`100% of a_b & #1 ~x $y^2$ {z} \n`)).toBe(
      String.raw`100\% of a\_b \& \#1 \textasciitilde{}x \$y\textasciicircum{}2\$ \{z\} \textbackslash{}n`,
    );
    expect(escapeLatex("[x]* -- '' ,, `q` \"r\" <s|t>")).toBe(
      String.raw`{[}x{]}{*} -{}- '{}' ,{}, \textasciigrave{}q\textasciigrave{} \symbol{34}r\symbol{34} \textless{}s\textbar{}t\textgreater{}`,
    );
  });

  test("Greek and signs are commands, letters stay, and what cannot be seen is left out", () => {
    expect(escapeLatex("α ≠ Größe\u200b\nz")).toBe(String.raw`$\alpha$ $\neq$ Größe z`);
    // A letter and its accent are one character, as pdfLaTeX wants it.
    expect(escapeLatex("e\u0301")).toBe("é");
  });

  test("characters that pdfLaTeX may not know get a definition that gives way to every other", () => {
    expect(characterDefinitions(escapeLatex("a_b α"))).toBe("");
    const definitions = characterDefinitions(escapeLatex("模型 模"));
    expect(definitions.match(/\\gdef/g)).toHaveLength(2);
    expect(definitions).toContain(
      String.raw`\ifcsname u8:\detokenize{模}\endcsname\else\expandafter\gdef\csname u8:\detokenize{模}\endcsname{{[}U+6A21{]}}\fi`,
    );
  });
});

const hasLatex = spawnSync("kpsewhich", ["booktabs.sty"]).status === 0;

/** With pdfLaTeX, stopping at the first error. */
describe.skipIf(!hasLatex)("a LaTeX export compiles [export.formats]", () => {
  test("whatever names and texts hold", () => {
    const names = [
      "100% a_b & #1 ~ $x^2$ {} \\ ^",
      "[0] * -- '' \"q\" `r`",
      "Größe łódź ąę đ þ «guillemets» ½ € “q”…",
      "αβγ ϵ Ελλάδα ± × ≤ ≠ ≈ ∑ → ∞",
      "модель 模型 モデル 🤖 👩‍💻 ｆｕｌｌ a​b q̃",
    ];
    expect(logOf(reportText("latex", report(names)))).not.toContain("Missing character");
  });

  test("any name at all", () => {
    const unit = fc.oneof(fc.constant("binary" as const), fc.constant("grapheme" as const));
    const name = unit.chain((kind) => fc.string({ unit: kind, minLength: 1, maxLength: 12 }));
    fc.assert(
      fc.property(fc.array(name, { minLength: 60, maxLength: 60 }), (names) => {
        expect(logOf(reportText("latex", report(names)))).not.toBe("");
      }),
      { numRuns: 3, endOnFailure: true },
    );
  });
});

/** A report in which the names stand wherever a name can stand. */
function report(names: readonly string[]): ReportInput {
  const cell = { n: 3, planned: 4, sd: 1, best: true, tied_with_best: false };
  return {
    experiment: {
      reference: `${names[0]}@1`,
      question: names.join(" "),
      hypothesis: names.join("\n"),
      commits: [{ commit: "c0ffee", runs: 3 }],
    },
    tables: [
      {
        // A caption is tried on one line first, and TeX knows no line of more than five metres.
        metric: names.slice(0, 5).join(" "),
        goal: "minimize",
        unit: names[1] ?? null,
        level: 0.95,
        columns: names.slice(0, 5),
        rows: names.map((arm) => ({
          arm,
          grid: {},
          cells: names.slice(0, 5).map((task) => ({ ...cell, task, mean: 1.5e-9, low: 1e-9, high: 2e-9 })),
        })),
      },
    ],
    decision: {
      outcome: "supported",
      reason: names.join(" "),
      correction: "holm",
      comparisons: names.map((better, index) => ({
        ...{ better, than: names[index - 1] ?? better, metric: better, unit: better, task: better },
        ...{ effect: 1, interval: { low: 0.5, high: 1.5, level: 0.95, method: "t" as const } },
        ...{ n_better: 3, n_than: 3, n_pairs: 3, adjusted_p: 0.01, method: "t" as const, test: "paired-t" },
        ...{ verdict: "supported", reason: `[${better}]` },
      })),
      preregistered: true,
      notes: names,
      confidence: { cap: "moderate", reasons: names },
      provisional: false,
    },
    notes: names,
  };
}

/**
 * What pdfLaTeX says of a fragment in a document with the packages that it asks for, and a list of tables.
 *
 * @throws Error at its first error
 */
function logOf(fragment: string): string {
  const directory = mkdtempSync(join(tmpdir(), "rigor-latex-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "results.tex"), fragment);
  writeFileSync(
    join(directory, "paper.tex"),
    String.raw`\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}
\begin{document}\input{results}\listoftables\end{document}`,
  );
  // Twice: the captions come back in the list of tables.
  for (let round = 0; round < 2; round++) {
    const words = ["-draftmode", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"];
    const { status } = spawnSync("pdflatex", words, { cwd: directory });
    const log = readFileSync(join(directory, "paper.log"), "latin1");
    if (status !== 0) throw new Error(`pdflatex ended with ${status}: ${/^! [^]*?(?=\nHere is)/m.exec(log)?.[0]}`);
  }
  return readFileSync(join(directory, "paper.log"), "latin1");
}
