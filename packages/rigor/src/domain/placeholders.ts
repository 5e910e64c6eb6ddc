/** A part of a command: text as it stands, or a placeholder and the quotes around it. */
export type Part = { text: string } | { placeholder: string; quoting: Quoting };
export type Quoting = "none" | "single" | "double";

export interface Scan {
  parts: Part[];
  /** What forbids to fill in the placeholders. */
  problems: string[];
}

/** Names of placeholders beside `parameters.NAME`, `inputs.NAME` and `needs.NAME`, with the variable that holds the same value. */
export const simplePlaceholders = {
  seed: "RIGOR_SEED",
  arm: "RIGOR_ARM",
  task: "RIGOR_TASK",
  output: "RIGOR_OUTPUT",
  run_id: "RIGOR_RUN_ID",
  attempt: "RIGOR_ATTEMPT",
  resume: "RIGOR_RESUME",
} as const;

const name = String.raw`((?:${Object.keys(simplePlaceholders).join("|")})|(?:parameters|inputs|needs)\.[\p{L}_][\p{L}\p{M}\p{N}_.-]*)`;
const placeholder = new RegExp(String.raw`\{${name}\}`, "uy");
const literal = new RegExp(String.raw`\{\{${name}\}\}`, "uy");

/** Matches a sticky pattern at an offset. */
export function matchAt(pattern: RegExp, text: string, offset: number): RegExpExecArray | null {
  pattern.lastIndex = offset;
  return pattern.exec(text);
}

/** Joins literal text, so that a scan is short. */
export class PartList {
  readonly parts: Part[] = [];

  text(text: string): void {
    const last = this.parts.at(-1);
    if (last !== undefined && "text" in last) last.text += text;
    else if (text !== "") this.parts.push({ text });
  }

  placeholder(placeholderName: string, quoting: Quoting): void {
    this.parts.push({ placeholder: placeholderName, quoting });
  }
}

/**
 * Reads what a `{` at an offset begins: `{seed}` is a placeholder, `{{seed}}` is the text `{seed}`, and all other
 * braces are text. A brace after `$` belongs to a shell variable such as `${seed}`.
 */
export function readBrace(
  text: string,
  offset: number,
): { length: number; text: string } | { length: number; placeholder: string } {
  if (text[offset - 1] === "$") return { length: 1, text: "{" };
  const escaped = matchAt(literal, text, offset);
  if (escaped !== null) return { length: escaped[0].length, text: `{${escaped[1]}}` };
  const found = matchAt(placeholder, text, offset);
  if (found !== null) return { length: found[0].length, placeholder: found[1] ?? "" };
  return { length: 1, text: "{" };
}

/** The text of a word without placeholders, else null. */
export function plainText(word: readonly Part[]): string | null {
  const texts = word.map((part) => ("text" in part ? part.text : null));
  return texts.includes(null) ? null : texts.join("");
}

/** Splits one argument, which no shell reads, into text and placeholders. */
export function scanArgument(argument: string): Scan {
  const list = new PartList();
  let offset = 0;
  while (offset < argument.length) {
    const next = argument.indexOf("{", offset);
    const end = next < 0 ? argument.length : next;
    list.text(argument.slice(offset, end));
    offset = end;
    if (next < 0) break;
    const brace = readBrace(argument, offset);
    if ("placeholder" in brace) list.placeholder(brace.placeholder, "none");
    else list.text(brace.text);
    offset += brace.length;
  }
  return { parts: list.parts, problems: [] };
}
