import { plural } from "../../domain/format/numbers.ts";
import { resolveComparison } from "./comparisons.ts";
import type { Directive } from "./directives.ts";
import type { DocumentFacts, DocumentRun } from "./facts.ts";
import { resolveValue, unknownName, type Measured, type Unresolved } from "./values.ts";

/** A number that was not measured here, with where it is from. */
export interface Constant {
  text: string;
  source: string;
}

const counts: Readonly<Record<string, (run: DocumentRun) => boolean>> = {
  planned: () => true,
  done: ({ result }) => result !== null,
  failed: ({ state }) => state === "failed",
  invalid: ({ state }) => state === "invalid",
  missing: ({ result }) => result === null,
};

/** What stands in a sentence in place of a directive. */
export function resolveInline(directive: Directive, facts: DocumentFacts): Measured | Constant | Unresolved {
  switch (directive.name) {
    case "value":
      return resolveValue(directive, facts);
    case "comparison":
      return resolveComparison(directive, facts);
    case "runs":
      return resolveRuns(directive, facts);
    default:
      return resolveConstant(directive);
  }
}

/** `:runs[invalid]`; without a label how many of how many. All of the final stage. */
function resolveRuns({ label }: Directive, { runs }: DocumentFacts): Measured | Unresolved {
  const of = counts[label === "" ? "done" : label];
  if (of === undefined) return unknownName("count of runs", label, Object.keys(counts));
  const counted = runs.filter(of);
  return {
    text: label === "" ? `${counted.length} of ${plural(runs.length, "planned run")}` : String(counted.length),
    about: label === "" ? "runs with a valid result" : `${label} runs`,
    runs: counted.map(({ run_id, seed }) => ({ run_id, seed, value: null })),
    exact: [counted.length, runs.length],
  };
}

function resolveConstant({ label, attributes }: Directive): Constant | Unresolved {
  const source = (attributes["source"] ?? "").trim();
  if (source !== "") return { text: label, source };
  return {
    message: `The constant ${label} has no source.`,
    next: `Say where it is from: \`:constant[${label}]{source="..."}\`.`,
  };
}
