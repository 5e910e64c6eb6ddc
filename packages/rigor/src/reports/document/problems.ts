/** What is wrong with a document. An error keeps it from being handed in; a warning asks for a second look. */
export interface DocumentProblem {
  severity: "error" | "warning";
  /** Names the rule: `number-typed`, `section-missing`. */
  rule: string;
  /** Both counted from 1. */
  line: number;
  column: number;
  /** What was found, in a sentence. */
  message: string;
  /** What to do, in a sentence. */
  next: string;
}

export type Place = Pick<DocumentProblem, "line" | "column">;

export function problem(rule: string, { line, column }: Place, message: string, next: string): DocumentProblem {
  return { severity: "error", rule, line, column, message, next };
}

export function warning(rule: string, place: Place, message: string, next: string): DocumentProblem {
  return { ...problem(rule, place, message, next), severity: "warning" };
}

/** In the order of the text, errors before warnings at the same place. */
export function inOrder(problems: readonly DocumentProblem[]): DocumentProblem[] {
  const rank = ({ severity }: DocumentProblem): number => (severity === "error" ? 0 : 1);
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column || rank(a) - rank(b));
}

/** `7:3: error: 93.4 looks like a measurement. Write ...` */
export function problemText({ line, column, severity, message, next }: DocumentProblem): string {
  return `${line}:${column}: ${severity}: ${message} ${next}`;
}
