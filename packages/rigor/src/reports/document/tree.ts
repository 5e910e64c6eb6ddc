import type { Nodes, PhrasingContent, Root, RootContent } from "mdast";
import { isSafeAddress } from "./addresses.ts";
import { blockProblem } from "./block-problems.ts";
import { resolveBlock, type Citing } from "./blocks.ts";
import { readDirective, type DirectiveNode } from "./directives.ts";
import type { DocumentFacts } from "./facts.ts";
import { resolveInline } from "./inline.ts";
import { code, named, paragraph, text } from "./nodes.ts";
import { isUnresolved } from "./values.ts";

/**
 * The document with every directive replaced by what it gives, and without what a document may not hold: raw HTML
 * becomes text, pictures become their description, links to other places than pages become text.
 *
 * @param body the text that `root` was parsed from: what cannot be resolved is shown as it was typed
 */
export function resolvedTree(root: Root, body: string, facts: DocumentFacts, citing: Citing): Root {
  const replacing: Replacing = { body, facts, citing };
  return { ...root, children: root.children.flatMap((node) => replaced(node, replacing, true)) };
}

interface Replacing {
  body: string;
  facts: DocumentFacts;
  citing: Citing;
}

/** @param flow whether blocks stand here, not parts of a sentence */
function replaced(node: RootContent, replacing: Replacing, flow: boolean): RootContent[] {
  const plain = (value: string): RootContent[] => (flow ? [paragraph(text(value))] : [text(value)]);
  switch (node.type) {
    case "textDirective":
      return inline(node, replacing);
    case "leafDirective":
      return block(node, replacing);
    case "containerDirective":
      return children(node, replacing, true);
    case "html":
      return plain(node.value);
    case "image":
    case "imageReference":
      return plain(node.alt ?? "");
    case "link":
      return isSafeAddress(node.url) ? [within(node, replacing)] : children(node, replacing, false);
    case "definition":
      return isSafeAddress(node.url) ? [node] : [];
    case "footnoteReference":
      return [ownFootnote(node)];
    case "footnoteDefinition":
      return [ownFootnote(within(node, replacing))];
    default:
      return [within(node, replacing)];
  }
}

const flowParents: ReadonlySet<Nodes["type"]> = new Set([
  "blockquote",
  "listItem",
  "list",
  "footnoteDefinition",
  "table",
  "tableRow",
] as const);

function within<Node extends RootContent>(node: Node, replacing: Replacing): Node {
  return "children" in node ? { ...node, children: children(node, replacing, flowParents.has(node.type)) } : node;
}

function children(node: RootContent, replacing: Replacing, flow: boolean): RootContent[] {
  if (!("children" in node)) return [];
  return (node.children as RootContent[]).flatMap((child) => replaced(child, replacing, flow));
}

function inline(node: DirectiveNode, { body, facts, citing }: Replacing): PhrasingContent[] {
  const directive = readDirective(node);
  if ("rule" in directive || directive.stands !== "text") return [unresolved(node, body)];
  const resolved = resolveInline(directive, facts);
  if (isUnresolved(resolved)) return [unresolved(node, body)];
  if ("source" in resolved) return [named(text(resolved.text), "constant"), text(` (from ${resolved.source})`)];
  return citing.number([text(resolved.text)], resolved);
}

function block(node: DirectiveNode, { body, facts, citing }: Replacing): RootContent[] {
  const directive = readDirective(node);
  if ("rule" in directive || directive.stands !== "block" || blockProblem(directive, facts) !== null) {
    return [paragraph(unresolved(node, body))];
  }
  return resolveBlock(directive, facts, citing);
}

/** As it was typed. */
function unresolved({ position }: DirectiveNode, body: string): PhrasingContent {
  return named(code(body.slice(position?.start.offset, position?.end.offset)), "unresolved");
}

/** Footnotes of the author never have the names of those that are made from values. */
function ownFootnote<Node extends { identifier: string; label?: string | null | undefined }>(node: Node): Node {
  return { ...node, identifier: `note-${node.identifier}`, label: `note-${node.label ?? node.identifier}` };
}
