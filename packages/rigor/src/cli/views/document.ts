import type { DocumentVersionView } from "../../api/contract/views/documents.ts";
import type { Style } from "../output/terminal.ts";

/** What a version of a document changed in the one before it. */
export function changeLines(
  { number, submitted_by, edited, changes }: DocumentVersionView,
  issue: number,
  { bold, green, red, dim }: Style,
): string[] {
  const what = `Document ${number} of issue ${issue}`;
  if (changes === null) return [`${what} is the first: nothing was changed in it.`];
  const who = edited ? `edited by ${submitted_by}` : `written by ${submitted_by}`;
  const paint = (line: string): string => {
    if (line.startsWith("+")) return green(line);
    if (line.startsWith("-")) return red(line);
    return line.startsWith("@") ? dim(line) : line;
  };
  return [bold(`${what}, ${who}`), ...(changes === "" ? ["The same text."] : changes.split("\n").map(paint))];
}

/** What a person's edit has become, and what to do next. */
export function editedLines(document: DocumentVersionView, issue: number, gate: number | null, style: Style): string[] {
  return [
    ...changeLines(document, issue, style),
    ...(gate === null ? [] : [`Gate ${gate} asks whether it may be published: rigor approve ${gate}`]),
  ];
}
