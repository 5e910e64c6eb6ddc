import type { BlockContent, Data, List, Paragraph, PhrasingContent, Table, TableCell } from "mdast";
import { quantityText } from "../../domain/format/numbers.ts";
import type { TextCell, TextTable } from "../text-table.ts";

/** Makers of Markdown nodes. What they are given is text, never markup: a renderer escapes it. */

export const text = (value: string): PhrasingContent => ({ type: "text", value: oneLine(value) });
export const strong = (value: string): PhrasingContent => ({ type: "strong", children: [text(value)] });
export const code = (value: string): PhrasingContent => ({ type: "inlineCode", value: oneLine(value) });

/** Our own sentences, in which backticks mark code. */
export function sentences(value: string): PhrasingContent[] {
  return value
    .split(/`([^`]+)`/)
    .flatMap((part, index) => (part === "" ? [] : [index % 2 === 0 ? text(part) : code(part)]));
}

export function paragraph(...children: PhrasingContent[]): Paragraph {
  return { type: "paragraph", children };
}

export function list(items: readonly (readonly PhrasingContent[])[]): List {
  return {
    type: "list",
    ordered: false,
    spread: false,
    children: items.map((children) => ({ type: "listItem", spread: false, children: [paragraph(...children)] })),
  };
}

/** A named part of an element in HTML, which Markdown does not show. */
export function named<Node extends BlockContent | PhrasingContent>(node: Node, name: string, data: Data = {}): Node {
  return { ...node, data: { ...data, hProperties: { ...data.hProperties, className: [name] } } };
}

export function table(columns: TextTable["columns"], rows: readonly (readonly PhrasingContent[][])[]): Table {
  const cells = (contents: readonly PhrasingContent[][]): TableCell[] =>
    contents.map((children) => ({ type: "tableCell", children }));
  return {
    type: "table",
    align: columns.map(({ align }) => align),
    children: [columns.map(({ title }) => [text(title)]), ...rows].map((row) => ({
      type: "tableRow",
      children: cells(row),
    })),
  };
}

export function cellContent(cell: TextCell): PhrasingContent[] {
  return cell.map((piece) => {
    if (typeof piece === "string") return text(piece);
    const shown = quantityText(piece.value, piece.half, piece.exponent);
    return piece.bold ? strong(shown) : text(shown);
  });
}

/** Line ends and control characters would begin new blocks. */
function oneLine(value: string): string {
  return value.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
