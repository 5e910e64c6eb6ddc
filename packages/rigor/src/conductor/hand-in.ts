import { contentHash } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import { read } from "../domain/files/explain.ts";
import { newest, type IssueFacts } from "../domain/issues/facts.ts";
import { defendedHash, disputes, handInEvents, handInProblems, type HandIn } from "../domain/issues/hand-in.ts";
import { noUsage, type SessionRecord } from "../domain/issues/records.ts";
import { roleWork } from "../domain/issues/roles.ts";
import { submissionSchemas, type SubmissionContent, type SubmissionKind } from "../domain/issues/submissions.ts";
import type { Transaction } from "../store/store.ts";
import { nameProblems } from "./experiment-names.ts";
import { gatherFacts } from "./gather.ts";
import { planProblems } from "./plan-check.ts";
import { findSession } from "./queries.ts";
import type { ConductorParts } from "./parts.ts";

/**
 * Takes what a session hands in: checked against the schema of its role and the rules of reviews at this moment, and
 * written with everything that follows from it, or not at all.
 *
 * @param content as it came from the agent or the person
 * @throws RigorError `refused` with every problem and how to mend it; nothing is changed
 */
export async function handIn(
  parts: ConductorParts,
  actor: string,
  sessionId: string,
  content: unknown,
): Promise<string> {
  const { store } = parts.lab;
  const before = await findSession(store.db, sessionId);
  refuseLate(before);
  const kind = kindOf(before);
  const parsed = parse(kind, content);
  // Git and the records of runs are asked before the transaction, which holds up all other writers.
  const facts = await gatherFacts(store.db, issueOf(before));
  const identity = await identify(parts, facts, before, kind, parsed);
  return store.transact(actor, async (transaction) => {
    const session = await findSession(transaction.db, sessionId);
    refuseLate(session);
    const now = await gatherFacts(transaction.db, issueOf(session));
    const work: HandIn = { kind, role: roleOf(session), session_id: session.id, ...identity };
    const problems = [...handInProblems(now, work), ...(await nameTaken(transaction, now, work))];
    if (problems.length > 0) throw refused(kind, problems);
    await transaction.append([...handInEvents(now, work), ...endOfPerson(session)]);
    return await acceptance(transaction, now, kind);
  });
}

/** Asked within the transaction: two planners may choose the same name at the same moment. */
async function nameTaken({ db }: Transaction, { issue }: IssueFacts, { kind, content }: HandIn): Promise<string[]> {
  return kind === "plan" ? nameProblems(db, issue, content as SubmissionContent<"plan">) : [];
}

const issueOf = (session: SessionRecord): string => {
  if (session.issue_id !== null) return session.issue_id;
  throw new RigorError("not-possible", "This session belongs to no issue, so there is nothing to hand in for one.");
};

function roleOf(session: SessionRecord): HandIn["role"] {
  if (session.role !== "investigator") return session.role;
  throw new RigorError("not-possible", "An investigator hands in explanations, and no work for an issue.");
}

const kindOf = (session: SessionRecord): SubmissionKind => roleWork[roleOf(session)].submits;

function parse(kind: SubmissionKind, content: unknown): HandIn["content"] {
  const found = read<HandIn["content"]>(submissionSchemas[kind], content);
  if ("problems" in found) throw refused(kind, found.problems);
  return found.data;
}

/** What identifies the work, after looking at it more closely than a schema can. */
async function identify(
  parts: ConductorParts,
  facts: IssueFacts,
  session: SessionRecord,
  kind: SubmissionKind,
  content: HandIn["content"],
): Promise<Pick<HandIn, "hash" | "subject" | "content">> {
  switch (kind) {
    case "review":
      return { hash: contentHash([session.id, content]), subject: session.subject, content };
    case "plan": {
      const problems = await planProblems(parts.lab, facts.issue, content as SubmissionContent<"plan">);
      if (problems.length > 0) throw refused(kind, problems);
      // Answers to concerns are no part of what is approved.
      const hash = contentHash({ ...content, answers: [] });
      return { hash: defended(facts, kind, hash, content), subject: null, content };
    }
    case "change":
      await parts.issues.refuseElsewhere(session.member, "The workspace of this session is");
      return {
        hash: await parts.workspaces.submit(facts, session, content as SubmissionContent<"change">),
        subject: null,
        content,
      };
    case "result": {
      const { problems, hash } = await (
        await parts.documents()
      ).check(facts, (content as SubmissionContent<"result">).document);
      if (problems.length > 0) throw refused(kind, problems);
      return { hash: defended(facts, kind, hash, content), subject: null, content };
    }
    default:
      return { hash: contentHash(content), subject: null, content };
  }
}

/** Work that its author defends as it is goes to another review, and so needs another name. */
function defended(facts: IssueFacts, kind: "plan" | "result", hash: string, content: HandIn["content"]): string {
  const isKnown = facts.submissions.some((one) => one.kind === kind && one.hash === hash);
  return isKnown && disputes(content) ? defendedHash(hash, content) : hash;
}

function refuseLate(session: SessionRecord): void {
  if (session.submission_id !== null) {
    throw new RigorError("not-possible", "This session has handed in already.", {
      next: "What it handed in stands: nothing is left to do in it.",
    });
  }
  if (session.state === "ended") {
    throw new RigorError("not-possible", `This session has ended: ${session.outcome}.`);
  }
}

const wasOrWere = (kind: SubmissionKind): string => (kind === "proposals" ? "were" : "was");

/** The error for work that breaks rules, with each problem. */
export function refused(kind: SubmissionKind, problems: readonly string[]): RigorError {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return new RigorError(
    "refused",
    `The ${kind} ${wasOrWere(kind)} not taken: ${count}.\n${problems.map((one) => `- ${one}`).join("\n")}`,
    {
      next: "Mend what is listed and hand in again. Nothing was changed.",
    },
  );
}

/** A person's session is over with the hand-in; an agent still has its process. */
function endOfPerson(session: SessionRecord): DomainEvent[] {
  if (session.backend !== "human") return [];
  const seconds = Math.max(0, (Date.now() - Date.parse(session.started_at)) / 1_000);
  const usage = { ...noUsage, seconds };
  return [
    {
      kind: "session.ended",
      entity: session.id,
      data: { outcome: "finished", evidence: "It was handed in.", next: null, usage },
    },
  ];
}

async function acceptance(transaction: Transaction, facts: IssueFacts, kind: SubmissionKind): Promise<string> {
  const now = await gatherFacts(transaction.db, facts.issue.id);
  return `The ${kind} ${wasOrWere(kind)} taken as number ${newest(now, kind)?.number}.`;
}
