import { contentHash } from "../../domain/canonical.ts";
import { plannedRuns } from "../../domain/design.ts";
import type { Experiment } from "../../domain/experiment.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { ExperimentRecord, Foreknowledge } from "../../domain/records.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { ruleHash } from "../../statistics/decision-rule.ts";
import { stagePlaces } from "../../statistics/places.ts";
import type { ResolvedExperiment } from "./resolve.ts";

/** Runs of the final stage that have given a result. One that was revoked was known all the same. */
export function knownRuns({ definition, runs }: ResolvedExperiment, states: Map<string, RunState>): Set<string> {
  const finalStage = definition.stages.length - 1;
  const known = runs.filter(({ key, stages }) => {
    const state = states.get(key);
    return stages.includes(finalStage) && (state === "done" || state === "invalid");
  });
  return new Set(known.map(({ key }) => key));
}

/**
 * What was known when the plan was fixed. A plan with the rule and the runs of an earlier one that was fixed before its
 * results stays pre-registered: newer code does not change it. More seeds do, because whoever looks at a result before
 * asking for more can stop when it pleases. Results of earlier versions count as
 * known also where the code has changed since, or any edit of the code would make a new rule look registered.
 */
export function foreknowledge(
  { definition }: ResolvedExperiment,
  earlier: readonly ExperimentRecord[],
  known: ReadonlySet<string>,
): Foreknowledge {
  const latest = earlier.toSorted((a, b) => b.version - a.version)[0];
  const design = registeredDesign(definition);
  const fixedBefore = earlier.some(
    (one) => design !== null && one.foreknowledge.preregistered && registeredDesign(one.definition) === design,
  );
  return {
    known_results: known.size,
    preregistered: known.size === 0 || fixedBefore,
    predecessor: latest === undefined ? null : reference(latest),
  };
}

/** Names what is fixed beforehand: the rule and the runs that it judges. Null without a rule. */
function registeredDesign(definition: Experiment): string | null {
  if (definition.decision === null) return null;
  const places = stagePlaces(plannedRuns(definition), definition.stages.length - 1);
  return contentHash({ rule: ruleHash(definition), places });
}
