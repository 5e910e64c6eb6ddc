import type { Nodes, PhrasingContent, RootContent } from "mdast";
import type { LeafDirective, TextDirective } from "mdast-util-directive";
import { toString } from "mdast-util-to-string";
import { suggestion } from "../../domain/files/suggest.ts";
import { problem, type DocumentProblem, type Place } from "./problems.ts";

/** What a document may ask for. Each is resolved from what is recorded; see docs/results.md. */
interface DirectiveForm {
  /** `text`: `:name[label]{...}` in a sentence. `block`: `::name[label]{...}` on a line of its own. */
  stands: "text" | "block";
  label: "required" | "optional" | "none";
  /** Null takes any, for names of grid parameters. */
  attributes: readonly string[] | null;
  example: string;
}

const forms = {
  value: { stands: "text", label: "required", attributes: null, example: ":value[mean accuracy]{arm=ours task=sst2}" },
  comparison: {
    stands: "text",
    label: "optional",
    attributes: ["number"],
    example: ":comparison[effect]{number=1}",
  },
  runs: { stands: "text", label: "optional", attributes: [], example: ":runs[planned]" },
  constant: {
    stands: "text",
    label: "required",
    attributes: ["source"],
    example: ':constant[3e-4]{source="paper X, Table 2"}',
  },
  table: { stands: "block", label: "none", attributes: ["metric"], example: "::table{metric=accuracy}" },
  comparisons: { stands: "block", label: "none", attributes: [], example: "::comparisons" },
  figure: { stands: "block", label: "none", attributes: ["comparison", "metric"], example: "::figure{comparison=1}" },
  decision: { stands: "block", label: "none", attributes: [], example: "::decision" },
  confidence: {
    stands: "block",
    label: "none",
    attributes: ["level", "reason"],
    example: '::confidence{level=moderate reason="..."}',
  },
  reproduce: { stands: "block", label: "none", attributes: [], example: "::reproduce" },
  write: { stands: "block", label: "required", attributes: [], example: "::write[Why does it matter?]" },
} as const satisfies Record<string, DirectiveForm>;

export type DirectiveName = keyof typeof forms;
export const directiveNames = Object.keys(forms) as DirectiveName[];

export type DirectiveNode = TextDirective | LeafDirective;

/** A directive whose form is right; what it names is looked up later. */
export interface Directive {
  name: DirectiveName;
  stands: DirectiveForm["stands"];
  label: string;
  attributes: Readonly<Record<string, string>>;
  place: Place;
}

export function isDirectiveName(name: string): name is DirectiveName {
  return Object.hasOwn(forms, name);
}

export function isDirective(node: Nodes): node is DirectiveNode {
  return node.type === "textDirective" || node.type === "leafDirective";
}

export function exampleOf(name: DirectiveName): string {
  return forms[name].example;
}

export function placeOf(node: Nodes): Place {
  return node.position?.start ?? { line: 1, column: 1 };
}

/** @param node of any directive @returns it in our words, or what is wrong with its form */
export function readDirective(node: DirectiveNode): Directive | DocumentProblem {
  const place = placeOf(node);
  const wrong = (message: string, next: string) => problem("directive", place, message, next);
  if (!isDirectiveName(node.name)) {
    const meant = suggestion(node.name, directiveNames);
    return wrong(
      `There is no directive \`${node.name}\`${meant || "."}`,
      `Use one of: ${directiveNames.join(", ")}; or write \`\\:\` for a colon.`,
    );
  }
  const form: DirectiveForm = forms[node.name];
  const next = `Write it as in \`${form.example}\`.`;
  const stands = node.type === "textDirective" ? "text" : "block";
  if (stands !== form.stands) {
    const where = form.stands === "text" ? "in a sentence, with one colon" : "on a line of its own, with two colons";
    return wrong(`\`${node.name}\` stands ${where}.`, next);
  }
  const label = toString(node).trim();
  if (form.label === "required" && label === "") return wrong(`\`${node.name}\` lacks its text in brackets.`, next);
  if (form.label === "none" && node.children.length > 0) {
    return wrong(`\`${node.name}\` takes no text in brackets.`, next);
  }
  const formatted = formattedChild(node.children);
  if (formatted !== null) return wrong(`The text of \`${node.name}\` holds markup.`, "Write plain text in brackets.");
  const attributes = Object.fromEntries(
    Object.entries(node.attributes ?? {}).map(([name, value]) => [name, value ?? ""]),
  );
  const allowed = form.attributes;
  const unknown = allowed === null ? undefined : Object.keys(attributes).find((name) => !allowed.includes(name));
  if (unknown !== undefined) {
    const meant = suggestion(unknown, allowed ?? []);
    return wrong(`\`${node.name}\` has no attribute \`${unknown}\`${meant || "."}`, next);
  }
  return { name: node.name, stands: form.stands, label, attributes, place };
}

/** Labels are plain: markup, other directives and HTML in them would be a second text to check. */
function formattedChild(children: readonly PhrasingContent[]): PhrasingContent | null {
  return children.find((child) => child.type !== "text") ?? null;
}

/** Every directive below a node, in the order of the text. */
export function directivesIn(node: Nodes): DirectiveNode[] {
  if (isDirective(node)) return [node];
  return "children" in node ? (node.children as RootContent[]).flatMap(directivesIn) : [];
}
