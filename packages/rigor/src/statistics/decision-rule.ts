import { contentHash } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import type { Experiment } from "../domain/experiment.ts";

/** Names a decision rule together with the goals that give it its direction. */
export function ruleHash(experiment: Pick<Experiment, "decision" | "metrics">): string {
  const { rule, compared } = parsedRule(experiment);
  return contentHash({ rule, goals: compared.map(({ metric }) => metric.goal) });
}

/** The rule with the metric of each of its comparisons. @throws RigorError as `decide` */
export function parsedRule({ decision, metrics }: Pick<Experiment, "decision" | "metrics">) {
  if (decision === null) {
    throw new RigorError("not-possible", "The experiment has no decision rule.", {
      next: "State `decision` in the experiment file before the first run.",
    });
  }
  const compared = decision.comparisons.map((comparison) => {
    const metric = metrics[comparison.metric];
    if (metric !== undefined) return { comparison, metric };
    throw new RigorError("file-invalid", `The decision compares "${comparison.metric}", which is no declared metric.`, {
      next: `Declare it under \`metrics\`, or compare one of: ${Object.keys(metrics).join(", ")}.`,
    });
  });
  return { rule: decision, compared };
}
