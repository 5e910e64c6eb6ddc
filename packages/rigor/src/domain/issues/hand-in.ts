import { contentHash } from "../canonical.ts";
import { submissionId } from "../events/submission-events.ts";
import type { DomainEvent } from "../events/registry.ts";
import { count, openConcerns, unsettled, type IssueFacts, type WorkKind } from "./facts.ts";
import type { ConcernRecord, RoleName } from "./records.ts";
import { disputableChecks } from "./check-concerns.ts";
import { firstReviewer, roleWork } from "./roles.ts";
import type { Answer, SubmissionContent, SubmissionKind } from "./submissions.ts";

/** What is handed in, after it passed its schema. */
export interface HandIn<Kind extends SubmissionKind = SubmissionKind> {
  kind: Kind;
  role: Exclude<RoleName, "investigator">;
  session_id: string | null;
  /** Identifies the work: a hash of its content, the commit of a change. */
  hash: string;
  /** For a review: hash of what was reviewed. */
  subject: string | null;
  content: SubmissionContent<Kind>;
}

/**
 * Answered concerns that this reviewer has to settle: its own; and where it is the first reviewer, those of persons, and those
 * of checks that leave it to others whether their findings are right.
 */
export function toSettle(facts: IssueFacts, role: RoleName, about: WorkKind): ConcernRecord[] {
  const sources: string[] = firstReviewer[about] === role ? [role, "person", ...disputableChecks] : [role];
  return facts.concerns.filter(
    (one) => one.about === about && sources.includes(one.source) && (one.state === "fixed" || one.state === "disputed"),
  );
}

/** Whether an author holds a concern for wrong. */
export const disputes = (content: HandIn["content"]): boolean =>
  "answers" in content && content.answers.some(({ answer }) => answer === "disputed");

/** The name of work that is handed in once more with reasons for leaving it as it is. */
export const defendedHash = (hash: string, content: HandIn["content"]): string =>
  contentHash([hash, "answers" in content ? content.answers : []]);

/**
 * Why something cannot be handed in, a sentence each, with how to mend it. Empty when it can.
 */
export function handInProblems(facts: IssueFacts, handIn: HandIn): string[] {
  const { makes, reviews } = roleWork[handIn.role];
  const { content } = handIn;
  const problems: string[] = [];
  if (makes !== null) {
    problems.push(...unanswered(facts, makes, (content as { answers: Answer[] }).answers));
    if (facts.submissions.some((one) => one.kind === handIn.kind && one.hash === handIn.hash)) {
      problems.push(
        `This ${handIn.kind} is the same as one that was handed in before. Change it, or dispute the concerns.`,
      );
    }
  }
  if (reviews !== null)
    problems.push(...reviewProblems(facts, handIn.role, reviews, content as SubmissionContent<"review">));
  return problems;
}

/** Nits may be answered, and need not. */
function unanswered(facts: IssueFacts, about: WorkKind, answers: readonly Answer[]): string[] {
  const open = openConcerns(facts, about).filter((one) => !answers.some((answer) => answer.concern === one.number));
  const isOpen = new Set(unsettled(facts, about).flatMap((one) => (one.state === "open" ? [one.number] : [])));
  const strange = answers.filter(({ concern }) => !isOpen.has(concern));
  return [
    ...open.map(
      (one) =>
        `Concern ${one.number} (${one.severity}, ${one.location}) is not answered. Answer it with fixed or disputed.`,
    ),
    ...strange.map((one) => `Concern ${one.concern} is not open. Leave its answer away.`),
  ];
}

function reviewProblems(
  facts: IssueFacts,
  role: RoleName,
  about: WorkKind,
  review: SubmissionContent<"review">,
): string[] {
  const due = toSettle(facts, role, about);
  const problems = due
    .filter((one) => !review.settled.some((settlement) => settlement.concern === one.number))
    .map((one) => `Concern ${one.number} was answered as ${one.state}. Settle it: verified or still-open.`);
  for (const { concern } of review.settled) {
    if (!due.some((one) => one.number === concern)) {
      problems.push(`Concern ${concern} is not yours to settle. Leave it away.`);
    }
  }
  const blocks =
    review.concerns.some((one) => one.severity === "blocker") ||
    review.settled.some((one) => one.status === "still-open" && severityOf(due, one.concern) === "blocker");
  if (review.verdict === "approve" && blocks) {
    problems.push("The verdict is approve, but a blocker is open. Say revise, or make it a concern.");
  }
  const asks = blocks || review.concerns.some((one) => one.severity === "concern") || hasStillOpen(review);
  if (review.verdict === "revise" && !asks) {
    problems.push("The verdict is revise, but nothing is asked for. Raise a concern, or say approve.");
  }
  return problems;
}

const severityOf = (concerns: readonly ConcernRecord[], number: number): string | undefined =>
  concerns.find((one) => one.number === number)?.severity;

const hasStillOpen = (review: SubmissionContent<"review">): boolean =>
  review.settled.some((one) => one.status === "still-open");

/** The events of a hand-in without problems: the work itself, and what it says about concerns. */
export function handInEvents(facts: IssueFacts, handIn: HandIn): DomainEvent[] {
  const { issue } = facts;
  const { kind, role, session_id, hash, subject, content } = handIn;
  const number = count(facts, kind) + 1;
  // The kind names the event, and the content has passed the schema of this kind.
  const submitted = {
    kind: `${kind}.submitted`,
    entity: issue.id,
    data: { number, role, hash, subject, session_id, content },
  } as DomainEvent;
  const { makes, reviews } = roleWork[role];
  const answered =
    makes === null
      ? []
      : (content as { answers: Answer[] }).answers.map((one): DomainEvent => ({
          kind: "concern.answered",
          entity: issue.id,
          data: { number: one.concern, answer: one.answer, reason: one.reason },
        }));
  const reviewed =
    reviews === null
      ? []
      : reviewEvents(facts, handIn as HandIn<"review">, reviews, content as SubmissionContent<"review">);
  const closed: DomainEvent[] =
    session_id === null
      ? []
      : [
          {
            kind: "session.submitted",
            entity: session_id,
            data: { submission_id: submissionId(issue.id, kind, number) },
          },
        ];
  return [submitted, ...answered, ...reviewed, ...closed];
}

function reviewEvents(
  facts: IssueFacts,
  { role, session_id, subject }: HandIn<"review">,
  about: WorkKind,
  review: SubmissionContent<"review">,
): DomainEvent[] {
  const entity = facts.issue.id;
  const settled = review.settled.map(({ concern, status, reason }): DomainEvent => ({
    kind: status === "verified" ? "concern.verified" : "concern.reopened",
    entity,
    data: { number: concern, by: role, reason },
  }));
  const first = facts.concerns.length + 1;
  const raised = review.concerns.map((finding, index): DomainEvent => ({
    kind: "concern.raised",
    entity,
    data: { ...finding, number: first + index, about, subject: subject ?? "", source: role, session_id },
  }));
  return [...settled, ...raised];
}
