import type { Nodes, Root, RootContent } from "mdast";
import { plural } from "../../domain/format/numbers.ts";
import { comparisonTitle } from "./comparisons.ts";
import { directivesIn, exampleOf, placeOf, readDirective, type Directive, type DirectiveName } from "./directives.ts";
import type { DocumentFacts } from "./facts.ts";
import { resolveInline } from "./inline.ts";
import { isSafeAddress } from "./addresses.ts";
import { blockProblem } from "./block-problems.ts";
import { parseMarkdown, type ParsedDocument } from "./parse.ts";
import { inOrder, problem, warning, type DocumentProblem } from "./problems.ts";
import { proseIn } from "./prose.ts";
import { sectionProblems, sectionsOf, type SectionName } from "./sections.ts";
import { claimProblems } from "./strong-words.ts";
import { constantProblems, numberRules, typedNumberProblems } from "./typed-numbers.ts";
import { isUnresolved, type Unresolved } from "./values.ts";

/** Sections that claim something about the world; the others say what was asked, done and is open. */
const claiming: ReadonlySet<SectionName | null> = new Set([null, "Results", "Takeaways", "Confidence", "Next steps"]);

/**
 * Everything that is wrong with a document, in the order of its text. It may be handed in when none is an error. Pure:
 * the same text and facts give the same problems.
 */
export function checkDocument(source: string, facts: DocumentFacts): DocumentProblem[] {
  return checkParsed(parseMarkdown(source), facts);
}

export function checkParsed(parsed: ParsedDocument, facts: DocumentFacts): DocumentProblem[] {
  const { root, body, experiment } = parsed;
  const directives = directivesIn(root).map(readDirective);
  const read = directives.filter((one) => "name" in one);
  const rules = numberRules(facts);
  return inOrder(
    theWorst([
      ...parsed.problems,
      ...headProblems(experiment, facts),
      ...(root.children.length === 0 ? [] : sectionProblems(root)),
      ...markupProblems(root),
      ...directives.filter((one) => "rule" in one),
      ...read.flatMap((one) => directiveProblems(one, facts)),
      ...read.flatMap((one) => constantProblems(one, rules)),
      ...requiredDirectives(root, facts),
      ...proseIn(root.children, body).flatMap((prose) => typedNumberProblems(prose, rules)),
      ...sectionsOf(root)
        .filter(({ name }) => claiming.has(name))
        .flatMap(({ content }) => proseIn(content, body))
        .flatMap((prose) => claimProblems(prose, facts)),
    ]),
  );
}

/** Nobody reads more of them at once. */
const mostProblems = 500;

/** As many as are shown; a warning never takes the place of an error. */
function theWorst(problems: readonly DocumentProblem[]): readonly DocumentProblem[] {
  if (problems.length <= mostProblems) return problems;
  const rank = ({ severity }: DocumentProblem): number => (severity === "error" ? 0 : 1);
  return problems.toSorted((a, b) => rank(a) - rank(b)).slice(0, mostProblems);
}

function headProblems(experiment: string | null, { experiment: { reference }, decision, runs }: DocumentFacts) {
  const place = { line: 2, column: 1 };
  const other = `The document is of ${experiment}, the values are of ${reference}.`;
  const missing = runs.filter(({ result }) => result === null).length;
  return [
    ...(experiment === null || experiment === reference ? [] : [problem("head", place, other, "Name that one.")]),
    ...(decision?.provisional === true
      ? [warning("provisional", place, `${reference} is not decided yet.`, "Its numbers will change.")]
      : []),
    ...(missing === 0
      ? []
      : [
          warning(
            "runs-missing",
            place,
            `${plural(missing, "planned run has", "planned runs have")} no valid result.`,
            "Say so under Limits.",
          ),
        ]),
  ];
}

/** HTML shows and hides what it likes, and a picture is no measured figure. */
function markupProblems(root: Root): DocumentProblem[] {
  return nodesIn(root).flatMap((node) => {
    const place = placeOf(node);
    switch (node.type) {
      case "html":
        return [
          problem(
            "html",
            place,
            `Raw HTML: \`${shortened(node.value)}\`.`,
            "Write Markdown; put code in backticks, and `\\<` for a sign.",
          ),
        ];
      case "image":
      case "imageReference":
        return [problem("image", place, "A picture from elsewhere.", "Use `::figure{comparison=1}`, or link to it.")];
      case "link":
      case "definition":
        return isSafeAddress(node.url)
          ? []
          : [
              problem(
                "address",
                place,
                `The address \`${shortened(node.url)}\` is not allowed.`,
                "Link to http, https, mailto, or a place in the document.",
              ),
            ];
      case "containerDirective":
        return [problem("directive", place, "No directive stands around others.", "Use one colon or two.")];
      case "footnoteDefinition":
        return node.identifier.startsWith("runs-")
          ? [problem("footnote", place, "Footnotes named `runs-...` are made from values.", "Give it another name.")]
          : [];
      default:
        return [];
    }
  });
}

export function nodesIn(node: Nodes): Nodes[] {
  return [node, ...("children" in node ? (node.children as RootContent[]).flatMap(nodesIn) : [])];
}

function directiveProblems(directive: Directive, facts: DocumentFacts): DocumentProblem[] {
  if (directive.name === "write") {
    return [
      problem(
        "unwritten",
        directive.place,
        `Still to be written: ${directive.label}`,
        "Write it in place of this line.",
      ),
    ];
  }
  const unresolved = directive.stands === "text" ? textProblem(directive, facts) : blockProblem(directive, facts);
  return unresolved === null ? [] : [problem("directive", directive.place, unresolved.message, unresolved.next)];
}

function textProblem(directive: Directive, facts: DocumentFacts): Unresolved | null {
  const resolved = resolveInline(directive, facts);
  return isUnresolved(resolved) ? resolved : null;
}

/** What a reader must be shown, wherever the author would rather not: outcome, primary table, each comparison, the cap. */
function requiredDirectives(root: Root, facts: DocumentFacts): DocumentProblem[] {
  return sectionsOf(root).flatMap(({ name, heading, content }) => {
    if (heading === null || name === null) return [];
    const inside = content
      .flatMap(directivesIn)
      .map(readDirective)
      .filter((one) => "name" in one);
    const missing = (needed: string, is: (one: Directive) => boolean, what: string): DocumentProblem[] =>
      inside.some(is)
        ? []
        : [problem("directive-missing", placeOf(heading), `\`${name}\` does not show ${what}.`, `Add \`${needed}\`.`)];
    const named = (wanted: DirectiveName, what: string) =>
      missing(exampleOf(wanted), (one) => one.name === wanted, what);
    if (name === "Reproduce") return named("reproduce", "how to do it again");
    if (name === "Confidence") return named("confidence", "how far to trust it");
    if (name !== "Results") return [];
    const primary = facts.definition.primary_metric;
    return [
      ...named("decision", "the decision"),
      ...missing(
        `::table{metric=${primary}}`,
        (one) => one.name === "table" && (one.attributes["metric"] ?? primary) === primary,
        `the table of ${primary}`,
      ),
      ...(facts.decision?.comparisons ?? []).flatMap((comparison, index) =>
        missing(
          `::figure{comparison=${index + 1}}`,
          (one) =>
            one.name === "figure" &&
            one.attributes["metric"] === undefined &&
            (one.attributes["comparison"] ?? "1") === String(index + 1),
          `the figure of comparison ${index + 1} (${comparisonTitle(comparison)})`,
        ),
      ),
    ];
  });
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 60)}...` : line;
}
