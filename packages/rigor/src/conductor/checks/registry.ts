import type { DomainEvent } from "../../domain/events/registry.ts";
import { count, newest, openConcerns, type IssueFacts, type WorkKind } from "../../domain/issues/facts.ts";
import { judgeFindings } from "../../domain/issues/check-concerns.ts";
import type { IssueCheckName } from "../../domain/issues/records.ts";
import type { Transaction } from "../../store/store.ts";
import { findingText, type Check, type CheckOutcome } from "./check.ts";
import { checkAmendment, inheritedPlan } from "./amendment.ts";
import { checkConsistency } from "./consistency.ts";
import { checkApproved } from "./document.ts";
import { dispatch } from "./dispatch.ts";
import { fileFollowUps, followUpEvents } from "./follow-ups.ts";
import { makeDeclaredChecks, checkDuplication } from "./code-checks.ts";
import { checkReproducibility } from "./reproducibility.ts";
import { smokeTest } from "./smoke.ts";
import { checkScope, cleanUp, makeWorkspace, mergeChange } from "./workspace-checks.ts";

/** Every check, by its name. */
export const checks: Record<IssueCheckName, Check> = {
  amendment: checkAmendment,
  consistency: checkConsistency,
  workspace: makeWorkspace,
  scope: checkScope,
  "declared-checks": makeDeclaredChecks,
  duplication: checkDuplication,
  smoke: smokeTest,
  dispatch,
  reproducibility: checkReproducibility,
  document: checkApproved,
  merge: mergeChange,
  "follow-ups": fileFollowUps,
  "clean-up": cleanUp,
};

/** Checks whose findings go back to the author of a piece of work. */
const aboutOf: Partial<Record<IssueCheckName, WorkKind>> = {
  consistency: "plan",
  scope: "change",
  "declared-checks": "change",
  duplication: "change",
  smoke: "change",
  document: "result",
};

/** What a check found, with all that follows from it, as events. */
export async function recordCheck(
  transaction: Transaction,
  facts: IssueFacts,
  check: IssueCheckName,
  subject: string,
  outcome: CheckOutcome,
): Promise<DomainEvent[]> {
  const about = aboutOf[check];
  const { findings, details, fault } = outcome;
  const judged =
    about === undefined || fault
      ? { passed: outcome.passed, events: [] }
      : judgeFindings(facts, { name: check, about, subject, findings });
  const { passed } = judged;
  const data = { check, subject, passed, fault, findings: findings.map(findingText), details };
  const checked: DomainEvent = { kind: "issue.checked", entity: facts.issue.id, data };
  return [...(await effectsOf(transaction, facts, check, outcome)), checked, ...judged.events];
}

/** What some checks do is a fact of its own. */
async function effectsOf(
  transaction: Transaction,
  facts: IssueFacts,
  check: IssueCheckName,
  { passed, details }: CheckOutcome,
): Promise<DomainEvent[]> {
  if (!passed) return [];
  switch (check) {
    case "amendment":
      return inheritedPlan(facts);
    case "workspace":
      return changeOfPlan(facts, (details as { base: string }).base);
    case "follow-ups":
      return followUpEvents(transaction, facts);
    default:
      return [];
  }
}

/** A plan that needs no code is its own change: the commit with its experiment file. */
function changeOfPlan(facts: IssueFacts, commit: string): DomainEvent[] {
  const plan = newest(facts, "plan");
  if (plan === null || plan.content.needs_code || openConcerns(facts, "change").length > 0) return [];
  const content = {
    summary: `The experiment file of plan ${plan.number}, and nothing else.`,
    how_tested: "Not yet: the smoke run follows.",
    answers: [],
  };
  const identity = { role: "implementer" as const, hash: commit, subject: null, session_id: null };
  const number = count(facts, "change") + 1;
  return [{ kind: "change.submitted", entity: facts.issue.id, data: { ...identity, number, content } }];
}
