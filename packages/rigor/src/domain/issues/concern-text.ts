import type { ConcernRecord } from "./records.ts";

/** A concern as a person reads it who has to judge or answer it. */
export function concernText({ number, severity, source, location, evidence, fix, answer }: ConcernRecord): string {
  const answered = answer === null ? "" : `\nAnswered: ${answer}`;
  return `Concern ${number} (${severity}, ${source}) at ${location}: ${evidence}\nSuggested: ${fix}${answered}`;
}
