import { suggestion } from "../../domain/files/suggest.ts";
import { confidenceLevels } from "../../statistics/confidence.ts";
import { chosenComparison } from "./comparisons.ts";
import type { Directive } from "./directives.ts";
import type { DocumentFacts } from "./facts.ts";
import { metricsOf, unknownName, type Unresolved } from "./values.ts";

/** What keeps a block from being resolved. */
export function blockProblem({ name, attributes }: Directive, facts: DocumentFacts): Unresolved | null {
  const metric = attributes["metric"];
  const metrics = metricsOf(facts);
  if (metric !== undefined && !metrics.includes(metric)) return unknownName("metric", metric, metrics);
  if (name === "figure") {
    if (metric !== undefined && attributes["comparison"] !== undefined) {
      return { message: "A figure is of a comparison or of a metric.", next: "Leave one of them out." };
    }
    if (metric !== undefined) return null;
    const chosen = chosenComparison(attributes["comparison"], facts);
    return "next" in chosen ? chosen : null;
  }
  if (name === "comparisons" && (facts.decision?.comparisons ?? []).length === 0) {
    return { message: "The experiment declares no comparison.", next: "Leave it out." };
  }
  return name === "confidence" ? confidenceProblem(attributes["level"], facts) : null;
}

function confidenceProblem(
  level: string | undefined,
  { confidence: { cap, reasons } }: DocumentFacts,
): Unresolved | null {
  const chosen = confidenceLevels.find((one) => one === level);
  if (chosen === undefined) {
    const allowed = confidenceLevels.slice(0, confidenceLevels.indexOf(cap) + 1).join(" or ");
    const found =
      level === undefined || level === ""
        ? "No level is given."
        : `There is no level \`${level}\`${suggestion(level, confidenceLevels) || "."}`;
    return { message: found, next: `Write \`::confidence{level=...}\` with ${allowed}.` };
  }
  if (confidenceLevels.indexOf(chosen) <= confidenceLevels.indexOf(cap)) return null;
  return {
    message: `Confidence is stated as ${chosen}; the evidence allows at most ${cap}: ${reasons.join("; ")}.`,
    next: `Write \`level=${cap}\`${cap === "low" ? "" : " or lower"}.`,
  };
}
