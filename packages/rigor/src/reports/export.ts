import { plural } from "../domain/format/numbers.ts";
import { decisionRemarks, noRule } from "../domain/format/words.ts";
import { characterDefinitions, escapeLatex, renderLatexTable } from "./latex.ts";
import { escapeMarkdown, renderMarkdownTable } from "./markdown.ts";
import { latexTable, markdownTable } from "./table-text.ts";
import { comparisonTextTable, type PlannedTable, type ReportedComparison } from "./text-table.ts";

export type ReportFormat = "markdown" | "latex";

export interface ReportInput {
  experiment: {
    /** NAME@VERSION. */
    reference: string;
    question: string | null;
    hypothesis: string | null;
    /** That results were made from, with how many of each. */
    commits: readonly { commit: string; runs: number }[];
  };
  /** The primary metric first. */
  tables: readonly PlannedTable[];
  /** Null without a decision rule. */
  decision: ReportedDecision | null;
  /** What else a reader must know: runs without a result, checks that failed. */
  notes: readonly string[];
}

export interface ReportedDecision {
  outcome: string;
  reason: string;
  correction: string;
  comparisons: readonly ReportedComparison[];
  preregistered: boolean;
  notes: readonly string[];
  confidence: { cap: string; reasons: readonly string[] };
  /** True until the experiment is decided. */
  provisional: boolean;
}

/** Results as a document: tables, comparisons and the decision, with everything that a reader must know. */
export function reportText(format: ReportFormat, input: ReportInput): string {
  return format === "markdown" ? markdown(input) : latex(input);
}

function markdown({ experiment, tables, decision, notes }: ReportInput): string {
  const blocks = [
    `# ${escapeMarkdown(experiment.reference)}\n`,
    ...facts(experiment).map(([name, text]) => `**${name}:** ${escapeMarkdown(text)}\n`),
    "## Results\n",
    ...tables.map(markdownTable),
    ...(decision === null || decision.comparisons.length === 0
      ? []
      : ["## Comparisons\n", renderMarkdownTable(comparisons(decision))]),
    "## Decision\n",
    `${decision === null ? noRule : `**${escapeMarkdown(decisionTitle(decision))}.** ${escapeMarkdown(decision.reason)}`}\n`,
    remarks(decision, notes)
      .map((remark) => `- ${escapeMarkdown(remark)}\n`)
      .join(""),
  ];
  return blocks.filter((block) => block !== "").join("\n");
}

function latex({ experiment, tables, decision, notes }: ReportInput): string {
  const label = `tab:${experiment.reference.replace(/[^A-Za-z0-9]+/g, "-")}`;
  const items = remarks(decision, notes).map((remark) => `  \\item ${escapeLatex(remark)}\n`);
  const blocks = [
    `\\paragraph{Experiment} ${escapeLatex(experiment.reference)}\n`,
    ...facts(experiment).map(([name, text]) => `\\paragraph{${name}} ${escapeLatex(text)}\n`),
    ...tables.map((table, index) => latexTable(table, `${label}-${index + 1}`)),
    ...(decision === null || decision.comparisons.length === 0
      ? []
      : [renderLatexTable(comparisons(decision), `${label}-comparisons`)]),
    `\\paragraph{Decision} ${decision === null ? noRule : `${escapeLatex(decisionTitle(decision))}. ${escapeLatex(decision.reason)}`}\n`,
    items.length === 0 ? "" : `\\begin{itemize}\n${items.join("")}\\end{itemize}\n`,
  ];
  const text = blocks.filter((block) => block !== "").join("\n");
  return [needs, characterDefinitions(text), text].filter((block) => block !== "").join("\n");
}

const needs = "% Needs \\usepackage{booktabs} and, with pdfLaTeX, \\usepackage[T1]{fontenc}.\n";

function facts({ question, hypothesis, commits }: ReportInput["experiment"]): [string, string][] {
  const all: [string, string | null][] = [
    ["Question", question],
    ["Hypothesis", hypothesis],
    commits.length === 1
      ? ["Commit", commits[0]?.commit ?? null]
      : ["Commits", commits.map(({ commit, runs }) => `${commit} (${plural(runs, "run")})`).join(", ")],
  ];
  return all.flatMap(([name, text]) => (text === null ? [] : [[name, text]]));
}

const comparisons = (decision: ReportedDecision) => comparisonTextTable(decision.comparisons, decision.correction);

function decisionTitle({ outcome, provisional }: ReportedDecision): string {
  return provisional ? `Provisional, not decided yet: ${outcome}` : outcome;
}

function remarks(decision: ReportedDecision | null, notes: readonly string[]): string[] {
  if (decision === null) return [...notes];
  return [
    ...decision.comparisons.map(({ verdict, reason }) => `${verdict}: ${reason}`),
    ...decisionRemarks(decision),
    ...notes,
  ];
}
