import type { Nodes, Root, RootContent, Text } from "mdast";
import type { LeafDirective, TextDirective } from "mdast-util-directive";
import remarkDirective from "remark-directive";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import { unified } from "unified";
import { isDirectiveName, placeOf } from "./directives.ts";
import { readHead } from "./head.ts";
import { problem, type DocumentProblem, type Place } from "./problems.ts";

export interface ParsedDocument {
  /** The experiment that it is of, as its head says: NAME@VERSION. */
  experiment: string | null;
  /** The text without its head, with lines where they were. */
  body: string;
  root: Root;
  problems: DocumentProblem[];
}

/** Longer documents are refused: nobody reads them, and reading them would hold up the daemon. */
const longest = 60_000;
/** Nobody nests lists and emphasis deeper, and deep trees end the stack of whoever walks them. */
const deepest = 40;

const processor = unified().use(remarkParse).use(remarkGfm, { singleTilde: false }).use(remarkDirective).freeze();

/** Markdown with directives. Whatever the text is, there is a tree; what is wrong with the head is among the problems. */
export function parseMarkdown(source: string): ParsedDocument {
  const text = source.replace(/^\uFEFF/, "");
  if (text.length > longest) {
    const found = `The document has ${text.length} characters; at most ${longest} are read.`;
    const problems = [problem("document-long", { line: 1, column: 1 }, found, "Say less, or split it.")];
    return { experiment: null, body: "", root: { type: "root", children: [] }, problems };
  }
  const { experiment, problems, length } = readHead(text);
  // Blank, so that every place in the body is its place in the file.
  const body = text.slice(0, length).replace(/[^\n]/g, " ") + text.slice(length);
  const root = processor.parse(body);
  const deep = tooDeep(root);
  if (deep !== null) {
    problems.push(
      problem("document-deep", deep, `Markup is nested more than ${deepest} times here.`, "Write it flat."),
    );
    return { experiment, body, root: { type: "root", children: [] }, problems };
  }
  restoreColons(root);
  return { experiment, body, root, problems };
}

/** The first node that lies too deep; found without recursion, which would end the daemon's stack. */
function tooDeep(root: Root): Place | null {
  let level: Nodes[] = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    const [first] = level;
    if (depth > deepest && first !== undefined) return placeOf(first);
    level = level.flatMap((node) => ("children" in node ? (node.children as Nodes[]) : []));
  }
  return null;
}

/** `ratio:loss` in a sentence is no directive: it becomes text again, unless it has a label, attributes or a known name. */
function restoreColons(node: Root | RootContent): void {
  if (!("children" in node)) return;
  const children = node.children as RootContent[];
  for (const [index, child] of children.entries()) {
    if (child.type === "textDirective" && isBare(child) && !isDirectiveName(child.name)) {
      const text: Text = { type: "text", value: `:${child.name}` };
      if (child.position !== undefined) text.position = child.position;
      children[index] = text;
    } else restoreColons(child);
  }
}

function isBare({ children, attributes }: TextDirective | LeafDirective): boolean {
  return children.length === 0 && Object.keys(attributes ?? {}).length === 0;
}
