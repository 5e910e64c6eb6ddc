import { contentHash } from "../../domain/canonical.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import { amendPlan, hoursOf } from "../../domain/issues/amendment.ts";
import { count, type IssueFacts } from "../../domain/issues/facts.ts";
import type { ConductorParts } from "../parts.ts";
import { nameProblems } from "../experiment-names.ts";
import { judged, passed, type CheckOutcome } from "./check.ts";

/** Whether code can make a follow-up's plan from that of its parent. Where it cannot, the issue goes the whole way. */
export async function checkAmendment({ lab }: ConductorParts, facts: IssueFacts): Promise<CheckOutcome> {
  const made = amended(facts);
  const refused = (problem: string) => judged([`The plan of the parent cannot be amended by code: ${problem}`]);
  if ("problem" in made) return refused(made.problem);
  const [taken] = await nameProblems(lab.store.db, facts.issue, made.plan);
  if (taken !== undefined) return refused(taken);
  return passed({ gpu_hours: hoursOf(made.design), message: `The plan of ${facts.parent?.experiment} was amended.` });
}

/** The plan that a check found possible. */
export function inheritedPlan(facts: IssueFacts): DomainEvent[] {
  const made = amended(facts);
  if ("problem" in made) return [];
  const identity = { role: "planner" as const, hash: contentHash(made.plan), subject: null, session_id: null };
  const data = { ...identity, number: count(facts, "plan") + 1, content: made.plan };
  return [{ kind: "plan.submitted", entity: facts.issue.id, data }];
}

function amended({ issue, parent }: IssueFacts): ReturnType<typeof amendPlan> {
  if (parent === null) return { problem: "It measured nothing that is decided." };
  if (issue.change === null) return { problem: "No change is named." };
  return amendPlan(parent, issue.change, issue.number);
}
