import { quantityText } from "../domain/format/numbers.ts";
import type { Quantity, TextTable } from "./text-table.ts";

/** Markdown as GitHub and Pandoc read it. */

/** Text that shows as it is, on one line, inside a table or outside. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").replace(/[\\`*_[\]<>|~&$]/g, "\\$&");
}

/** The caption as a paragraph, then the table. */
export function renderMarkdownTable({ caption, columns, rows }: TextTable): string {
  const lines = [
    columns.map(({ title }) => escapeMarkdown(title)),
    columns.map(({ align }) => (align === "left" ? ":---" : "---:")),
    ...rows.map((row) =>
      row.map((cell) =>
        cell.map((piece) => (typeof piece === "string" ? escapeMarkdown(piece) : quantity(piece))).join(""),
      ),
    ),
  ];
  return `${escapeMarkdown(caption)}\n\n${lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("")}`;
}

function quantity({ value, half, exponent, bold }: Quantity): string {
  const text = quantityText(value, half, exponent);
  return bold ? `**${text}**` : text;
}
