import { suggestion } from "../../domain/files/suggest.ts";
import { problem, type DocumentProblem } from "./problems.ts";

const head = /^---[ \t]*\r?\n([\s\S]*?)(?<=\n)---[ \t]*(?:\r?\n|$)/;
const start = { line: 1, column: 1 };

/** The experiment that a document says it is of, as NAME@VERSION; null where it says none. Only its head is read. */
export function experimentOf(source: string): string | null {
  return readHead(source.replace(/^\uFEFF/, "")).experiment;
}

/** What stands before the text of a document. */
export interface Head {
  /** NAME@VERSION. */
  experiment: string | null;
  problems: DocumentProblem[];
  /** Characters that it takes. */
  length: number;
}

export function readHead(text: string): Head {
  const matched = head.exec(text);
  const lines = matched?.[1] ?? null;
  const next = "Begin the file with three lines: `---`, `experiment: NAME@VERSION`, `---`.";
  const problems: DocumentProblem[] = [];
  let experiment: string | null = null;
  for (const [index, text] of (lines ?? "").split("\n").entries()) {
    const place = { line: index + 2, column: 1 };
    const [, key = "", value = ""] = /^([\w-]+)[ \t]*:[ \t]*(.*?)[ \t\r]*$/.exec(text) ?? [];
    if (key === "experiment" && /^[^@\s]+@[1-9]\d*$/.test(value)) experiment = value;
    else if (key === "experiment") problems.push(problem("head", place, `\`${value}\` is no NAME@VERSION.`, next));
    else if (key !== "") {
      const meant = suggestion(key, ["experiment"]);
      problems.push(problem("head", place, `The head has an unknown key \`${key}\`${meant || "."}`, "Remove it."));
    } else if (text.trim() !== "") problems.push(problem("head", place, "This line of the head has no key.", next));
  }
  if (experiment === null && problems.length === 0) {
    problems.push(problem("head", start, "The document names no experiment.", next));
  }
  return { experiment, problems, length: matched?.[0].length ?? 0 };
}
