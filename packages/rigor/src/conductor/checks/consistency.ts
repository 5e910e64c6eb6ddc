import { tryFindExperiment } from "../../bench/records/lookup.ts";
import { canonicalJson, type Json } from "../../domain/canonical.ts";
import { newest, type IssueFacts } from "../../domain/issues/facts.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { isSmokeRun } from "../../domain/issues/smoke-run.ts";
import { designDifferences, unjustified } from "../../domain/issues/consistency.ts";
import { readDesign } from "../plan-check.ts";
import { decodeRow } from "../../store/tables.ts";
import type { ConductorParts } from "../parts.ts";
import { judged, passed, type CheckOutcome } from "./check.ts";

/**
 * How the plan differs from the experiment that it is compared with, in code: more than one changed variable, another
 * evaluation, or other seeds must be justified by the plan. Earlier work of the same design is shown.
 */
export async function checkConsistency({ lab }: ConductorParts, facts: IssueFacts): Promise<CheckOutcome> {
  const plan = newest(facts, "plan");
  if (plan === null || plan.content.experiment_file === null) return passed();
  const { db } = lab.store;
  const design = readDesign(facts.issue, plan.content.experiment_file, plan.content.experiment_path ?? "plan");
  const rows = await db.selectFrom("experiments").selectAll().where("state", "!=", "archived").execute();
  const duplicates = rows
    .map((row) => decodeRow("experiments", row))
    .filter((one) => one.source.repository === facts.issue.project && !isSmokeRun(one.name))
    .filter(({ definition }) => canonicalJson(measuredBy(definition)) === canonicalJson(measuredBy(design)))
    .map(reference);
  const parent = plan.content.parent === null ? undefined : await tryFindExperiment(db, plan.content.parent);
  const differences = parent === undefined ? [] : designDifferences(parent.definition, design);
  const findings = unjustified(differences, plan.content.changes);
  const parentName = parent === undefined ? null : reference(parent);
  const isNew = duplicates.length === 0 || (parentName !== null && duplicates.includes(parentName));
  const known = isNew
    ? []
    : [
        `The same design was measured before: ${duplicates.join(", ")}. Name it as the parent and say why it is repeated.`,
      ];
  // That its parent has the same arms and tasks is told by what differs.
  const others = differences.length === 0 ? duplicates : duplicates.filter((one) => one !== parentName);
  return judged([...findings, ...known], { parent: parentName, differences, duplicates: others } as unknown as Json);
}

/** What an experiment measures, whatever it is called. */
const measuredBy = ({ arms, tasks, parameters, run, metrics }: ReturnType<typeof readDesign>) => ({
  arms,
  tasks,
  parameters,
  run,
  metrics: Object.keys(metrics),
});
