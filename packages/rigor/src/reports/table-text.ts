import { renderLatexTable } from "./latex.ts";
import { renderMarkdownTable } from "./markdown.ts";
import { resultTextTable, type PlannedTable } from "./text-table.ts";

/**
 * A result table as Markdown: mean ± half of the interval, rounded to where that ends;
 * the best of each column in bold, what noise cannot tell from it with a dagger, n where it is not what was planned.
 */
export function markdownTable(table: PlannedTable): string {
  return renderMarkdownTable(resultTextTable(table));
}

/** The same as LaTeX. @param label for `\ref` */
export function latexTable(table: PlannedTable, label?: string): string {
  return renderLatexTable(resultTextTable(table), label);
}
