import { z } from "zod";
import { concernLifecycle, type ConcernState } from "../issues/issue-lifecycle.ts";
import { roleNames, type ConcernRecord, type RoleName } from "../issues/records.ts";
import { submissionSchemas, type SubmissionContent, type SubmissionKind } from "../issues/submissions.ts";
import { enter } from "../lifecycle.ts";
import { ContradictionError, eventKind, existing, type Event, type State } from "./event.ts";

/** Key of a row in `submissions`. */
export const submissionId = (issueId: string, kind: SubmissionKind, number: number): string =>
  `${issueId}:${kind}:${number}`;

/** Key of a row in `concerns`. */
export const concernId = (issueId: string, number: number): string => `${issueId}:${number}`;

export interface Submitted<Kind extends SubmissionKind> {
  number: number;
  role: RoleName;
  hash: string;
  subject: string | null;
  session_id: string | null;
  content: SubmissionContent<Kind>;
}

function submitted<Kind extends SubmissionKind>(kind: Kind) {
  const idOf = (event: Event<string, { number: number }>): string =>
    submissionId(event.entity, kind, event.data.number);
  const schema = z.strictObject({
    number: z.int().positive(),
    role: z.enum(roleNames),
    hash: z.string(),
    subject: z.string().nullable(),
    session_id: z.string().nullable(),
    content: submissionSchemas[kind],
  });
  return eventKind<Submitted<Kind>>({
    version: 1,
    schema: schema as z.ZodType as z.ZodType<Submitted<Kind>>,
    touches: (event) => [{ table: "submissions", key: idOf(event) }],
    apply(draft, event) {
      const id = idOf(event);
      if (draft.get("submissions", id) !== undefined) throw new ContradictionError(`${id} was submitted already`);
      draft.put("submissions", id, {
        ...event.data,
        id,
        issue_id: event.entity,
        kind,
        submitted_by: event.actor,
        submitted_at: event.time,
      });
    },
  });
}

export const submissionEvents = {
  "clarification.submitted": submitted("clarification"),
  "plan.submitted": submitted("plan"),
  "review.submitted": submitted("review"),
  "change.submitted": submitted("change"),
  "result.submitted": submitted("result"),
  "proposals.submitted": submitted("proposals"),
};

const concernTouches = (event: Event<string, { number: number }>) => [
  { table: "concerns" as const, key: concernId(event.entity, event.data.number) },
];

function move(
  draft: State,
  event: Event<string, { number: number }>,
  to: ConcernState,
  change: Partial<ConcernRecord>,
): void {
  const row = existing(draft, "concerns", concernId(event.entity, event.data.number));
  const state = enter(concernLifecycle, String(row.number), row.state, to);
  draft.put("concerns", row.id, { ...row, ...change, state });
}

const reason = z.string();
const number = z.int().positive();

export const concernEvents = {
  "concern.raised": eventKind({
    version: 1,
    schema: z.strictObject({
      number,
      about: z.enum(["plan", "change", "result"]),
      subject: z.string(),
      severity: z.enum(["blocker", "concern", "nit"]),
      location: z.string(),
      evidence: z.string(),
      fix: z.string(),
      source: z.string(),
      session_id: z.string().nullable(),
    }),
    touches: concernTouches,
    apply(draft, event) {
      const id = concernId(event.entity, event.data.number);
      if (draft.get("concerns", id) !== undefined) throw new ContradictionError(`concern ${id} was raised already`);
      draft.put("concerns", id, {
        ...event.data,
        id,
        issue_id: event.entity,
        state: concernLifecycle.initial,
        answer: null,
        settled: null,
        raised_at: event.time,
      });
    },
  }),

  /** Its author says that it is mended, or why it is wrong. */
  "concern.answered": eventKind({
    version: 1,
    schema: z.strictObject({ number, answer: z.enum(["fixed", "disputed"]), reason }),
    touches: concernTouches,
    apply: (draft, event) => move(draft, event, event.data.answer, { answer: event.data.reason }),
  }),

  /** A later review, or a check that passes now, agrees that it is mended. */
  "concern.verified": eventKind({
    version: 1,
    schema: z.strictObject({ number, by: z.string(), reason }),
    touches: concernTouches,
    apply: (draft, { data, ...event }) =>
      move(draft, { ...event, data }, "verified", { settled: { by: data.by, reason: data.reason } }),
  }),

  /** A later review does not agree with the answer. */
  "concern.reopened": eventKind({
    version: 1,
    schema: z.strictObject({ number, by: z.string(), reason }),
    touches: concernTouches,
    apply: (draft, { data, ...event }) =>
      move(draft, { ...event, data }, "open", { settled: { by: data.by, reason: data.reason } }),
  }),

  /** A person lets the work go on in spite of it. */
  "concern.waived": eventKind({
    version: 1,
    schema: z.strictObject({ number, reason }),
    touches: concernTouches,
    apply: (draft, event) => move(draft, event, "waived", { settled: { by: event.actor, reason: event.data.reason } }),
  }),
};
