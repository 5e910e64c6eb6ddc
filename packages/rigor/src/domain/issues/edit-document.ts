import { contentHash } from "../canonical.ts";
import { RigorError } from "../errors.ts";
import type { DomainEvent } from "../events/registry.ts";
import { count, newest, type IssueFacts, type Submitted } from "./facts.ts";
import { defendedHash } from "./hand-in.ts";
import type { SubmissionRecord } from "./records.ts";

/** A result document as a person changed it, after it was checked as an agent's is. */
export interface DocumentEdit {
  document: string;
  /** Of the document with every value that it shows. */
  hash: string;
}

/** The name of an edit that brings back what was handed in before: what was said of that does not hold for it. */
const restoredHash = (hash: string, before: string): string => contentHash([hash, before]);

/**
 * The version of the document that an edit makes, as events.
 *
 * @throws RigorError `refused` when nothing is changed
 */
export function editEvents(facts: IssueFacts, { document, hash }: DocumentEdit): DomainEvent[] {
  const before = newest(facts, "result");
  if (before === null || before.content.document === document) {
    throw new RigorError("refused", "The document is as it was: nothing is changed in it.", {
      next: "Approve it as it is, or change something.",
    });
  }
  const isKnown = facts.submissions.some((one) => one.kind === "result" && one.hash === hash);
  return [
    {
      kind: "result.submitted",
      entity: facts.issue.id,
      data: {
        number: count(facts, "result") + 1,
        role: "analyzer",
        hash: isKnown ? restoredHash(hash, before.hash) : hash,
        subject: before.hash,
        session_id: null,
        content: { document, answers: [] },
      },
    },
  ];
}

/** Whether a document is a person's edit of the one before it: no session has written it. */
export const isEdit = ({ kind, session_id }: Pick<SubmissionRecord, "kind" | "session_id">): boolean =>
  kind === "result" && session_id === null;

/** Whether a document shows what it showed when it was handed in, given the hash of what it shows now. */
export function showsTheSame({ hash, subject, content }: Submitted<"result">, now: string): boolean {
  const names = [now, defendedHash(now, content), ...(subject === null ? [] : [restoredHash(now, subject)])];
  return names.includes(hash);
}
