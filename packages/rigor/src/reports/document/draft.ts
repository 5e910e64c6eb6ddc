import { escapeMarkdown } from "../markdown.ts";
import { comparisonTitle } from "./comparisons.ts";
import { attributeText, valueDirective } from "./recorded-numbers.ts";
import type { DocumentFacts } from "./facts.ts";
import { cellsOf } from "./values.ts";

/** A document with everything that is known; what a person or an analyst has to write is marked, and refused if it is left. */
export function draftDocument(facts: DocumentFacts): string {
  const { experiment, definition, decision, tables, confidence } = facts;
  const write = (what: string): string => `::write[${what}]`;
  const said = (statement: string | null, otherwise: string): string =>
    isBlank(statement) ? write(otherwise) : escapeProse(statement ?? "");
  const comparisons = decision?.comparisons ?? [];
  const sections: [string, string[]][] = [
    ["Question", [said(definition.question, "What was asked, in a sentence."), ...hypothesis(definition.hypothesis)]],
    ["Why", [write("Why the answer matters, and what is known already.")]],
    ["Method", [write("What was done: arms, tasks, seeds, data, and what was held equal."), designText(facts)]],
    [
      "Results",
      [
        "::decision",
        ...tables.map(({ metric }) => `::table{metric=${attributeText(metric)}}`),
        ...(comparisons.length === 0 ? [] : ["::comparisons"]),
        ...comparisons.map((_, index) => `::figure{comparison=${index + 1}}`),
        write("What the numbers say, with their directives, such as those that follow."),
        ...examples(facts),
      ],
    ],
    ["Takeaways", [write("What follows, no stronger than the decision.")]],
    ["Confidence", [`::confidence{level=${confidence.cap}}`, write("What else speaks for and against the result.")]],
    ["Limits", [write("What was not tested, and what could be wrong.")]],
    ["Next steps", [write("The one experiment that would teach most next.")]],
    ["Reproduce", ["::reproduce"]],
  ];
  return (
    [
      `---\nexperiment: ${experiment.reference}\n---`,
      `# ${escapeProse(isBlank(definition.question) ? definition.name : (definition.question ?? ""))}`,
      ...sections.flatMap(([name, parts]) => [`## ${name}`, ...parts]),
      "",
    ]
      .join("\n\n")
      .trimEnd() + "\n"
  );
}

function isBlank(text: string | null): boolean {
  return text === null || text.trim() === "";
}

function hypothesis(statement: string | null): string[] {
  return statement === null ? [] : [`Hypothesis: ${escapeProse(statement)}`];
}

/** Only counts of the design, which may be typed. */
function designText({ definition }: DocumentFacts): string {
  const arms = Object.entries(definition.arms).map(([name, { role }]) => `- ${escapeProse(name)} (${role})`);
  return ["The arms:", "", ...arms].join("\n");
}

/** One line for each comparison, or for the first cells where there is none. */
function examples({ decision, tables }: DocumentFacts): string[] {
  const [primary] = tables;
  if (decision !== null && decision.comparisons.length > 0) {
    return decision.comparisons.map(
      (one, index) => `${escapeProse(comparisonTitle(one))}: :comparison{number=${index + 1}}.`,
    );
  }
  if (primary === undefined) return [];
  return cellsOf(primary)
    .filter(({ cell }) => cell.n > 0)
    .slice(0, 4)
    .map((placed) => `${escapeProse(placed.arm)}: ${valueDirective("mean", primary.metric, placed)}.`);
}

/** Nothing takes these for markup before a space, nor the low line inside a word. */
const needless = /\\([:&<](?= )|(?<=[\p{L}\p{N}]\\)_(?=[\p{L}\p{N}]))/gu;

/** Text of the experiment file as Markdown that shows it as it is, on one line, and that a person can go on writing. */
function escapeProse(text: string): string {
  return escapeMarkdown(text)
    .replace(/[:#{}]/g, "\\$&")
    .replace(needless, "$1")
    .replace(/^(\d+)([.)])/, "$1\\$2")
    .replace(/^[-+=]/, "\\$&");
}
