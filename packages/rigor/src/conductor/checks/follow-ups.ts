import type { DomainEvent } from "../../domain/events/registry.ts";
import { amendPlan, hoursOf } from "../../domain/issues/amendment.ts";
import { newest, type IssueFacts } from "../../domain/issues/facts.ts";
import { sameChange, sameTitle, sameValue, type Question } from "../../domain/issues/same-question.ts";
import type { SubmissionContent } from "../../domain/issues/submissions.ts";
import type { Transaction } from "../../store/store.ts";
import { issueFiled } from "../board.ts";
import { inheritance } from "../parent.ts";
import { issuesOf } from "../queries.ts";
import type { ConductorParts } from "../parts.ts";
import { passed, type CheckOutcome } from "./check.ts";

/** Follow-ups are filed as proposals, but for those that are on the board already or change nothing. */
export async function fileFollowUps({ lab }: ConductorParts, facts: IssueFacts): Promise<CheckOutcome> {
  const fresh = new Set(freshOnes(facts, await issuesOf(lab.store.db, facts.issue.project)));
  const redundant = proposalsOf(facts).filter((one) => !fresh.has(one));
  const titles = redundant.map((one) => one.title);
  const message = `Not filed, as nothing new is asked: ${titles.join("; ")}.`;
  return passed({ redundant: titles, ...(titles.length === 0 ? {} : { message }) });
}

const proposalsOf = (facts: IssueFacts): Proposal[] => newest(facts, "proposals")?.content.proposals ?? [];

/** What neither the board has nor an earlier one of the proposals asks. */
function freshOnes(facts: IssueFacts, known: readonly Question[]): Proposal[] {
  const asked = [...known];
  return proposalsOf(facts).filter((one) => {
    const question = { ...one, parent: facts.issue.id };
    if (changesNothing(one.change) || asked.some((other) => sameQuestion(other, question))) return false;
    asked.push(question);
    return true;
  });
}

const changesNothing = ({ from, to }: Proposal["change"]): boolean => sameValue(from, to);

/** The same title, or the same variable of the same experiment set to the same value. */
const sameQuestion = (one: Question, other: Question): boolean => sameChange(one, other) || sameTitle(one, other);

/** The issues that a check of follow-ups files, in its transaction. */
export async function followUpEvents(transaction: Transaction, facts: IssueFacts): Promise<DomainEvent[]> {
  const known = await issuesOf(transaction.db, facts.issue.project);
  const fresh = freshOnes(facts, known);
  const { project, kind, id, backend } = facts.issue;
  const small = facts.settings.autopilot.follow_ups ? await smallOnes(transaction, facts, fresh) : new Set();
  return issueFiled(
    transaction,
    fresh.map((one) => {
      const { title, text, change } = one;
      return { project, kind, title, text, parent: id, change, backend, accepted: small.has(one) };
    }),
  );
}

/** Those whose plan code can make, and that need no more than is left of what was approved. */
async function smallOnes(
  { db }: Transaction,
  { issue }: IssueFacts,
  proposals: readonly Proposal[],
): Promise<Set<Proposal>> {
  const parent = await inheritance(db, issue.id, null);
  if (parent === null) return new Set();
  let left = parent.hours_left;
  const small = proposals.filter((one) => {
    const made = amendPlan({ ...parent, asked_hours: one.gpu_hours }, one.change, issue.number);
    if ("problem" in made || hoursOf(made.design) > left) return false;
    left -= hoursOf(made.design);
    return true;
  });
  return new Set(small);
}

type Proposal = SubmissionContent<"proposals">["proposals"][number];
