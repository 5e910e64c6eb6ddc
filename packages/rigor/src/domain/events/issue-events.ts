import { z } from "zod";
import { backendNames } from "../issues/agent-settings.ts";
import { issueLifecycle, workingStates, type IssueState } from "../issues/issue-lifecycle.ts";
import { issueCheckNames, issueKinds, type IssueRecord } from "../issues/records.ts";
import { enter } from "../lifecycle.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";
import { json } from "./schemas.ts";

const touches = (event: Event): RowRef[] => [{ table: "issues", key: event.entity }];

function change(draft: State, event: Event, members: Partial<IssueRecord>): void {
  const row = existing(draft, "issues", event.entity);
  draft.put("issues", row.id, { ...row, ...members, changed_at: event.time });
}

/** @param from the states that the event leaves; by default every one that the lifecycle lets enter `to` */
function move(
  draft: State,
  event: Event,
  to: IssueState,
  members: Partial<IssueRecord> & { reason: string },
  from?: readonly IssueState[],
): void {
  const row = existing(draft, "issues", event.entity);
  change(draft, event, { state: enter(issueLifecycle, issueName(row), row.state, to, from), ...members });
}

/** What is set aside goes on where it stood, also if it was set aside twice. */
function setAside(draft: State, event: Event, to: "blocked" | "on-hold", reason: string): void {
  const row = existing(draft, "issues", event.entity);
  move(draft, event, to, { reason, resumes_at: row.resumes_at ?? row.state });
}

const issueName = (row: IssueRecord): string => String(row.number);

const variableChange = z.strictObject({ variable: z.string(), from: z.string(), to: z.string(), why: z.string() });

export const issueEvents = {
  "issue.proposed": eventKind({
    version: 1,
    schema: z.strictObject({
      project: z.string(),
      number: z.int().positive(),
      kind: z.enum(issueKinds),
      title: z.string(),
      text: z.string(),
      parent: z.string().nullable(),
      change: variableChange.nullable(),
      backend: z.enum(backendNames).nullable(),
      accepted: z.boolean(),
    }),
    touches,
    apply(draft, event) {
      if (draft.get("issues", event.entity) !== undefined) {
        throw new ContradictionError(`issue ${event.entity} exists already`);
      }
      draft.put("issues", event.entity, {
        ...event.data,
        id: event.entity,
        state: issueLifecycle.initial,
        reason: "It was filed.",
        resumes_at: null,
        visits: {},
        filed_by: event.actor,
        created_at: event.time,
        changed_at: event.time,
      });
    },
  }),

  /** A person wants it worked on. */
  "issue.accepted": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (draft, event) => change(draft, event, { accepted: true }),
  }),

  /** Somebody said something about it. It is kept in the log, and shown to whoever works on the issue. */
  "issue.commented": eventKind({
    version: 1,
    schema: z.strictObject({ text: z.string() }),
    touches,
    apply: (draft, event) => change(draft, event, {}),
  }),

  "issue.moved": eventKind({
    version: 1,
    schema: z.strictObject({ to: z.enum([...workingStates, "done"]), reason: z.string() }),
    touches,
    apply(draft, event) {
      const { to, reason } = event.data;
      const row = existing(draft, "issues", event.entity);
      const visits = { ...row.visits, [to]: (row.visits[to] ?? 0) + 1 };
      move(draft, event, to, { reason, visits }, ["proposed", ...workingStates]);
    },
  }),

  /** Nothing goes on before a person has decided a gate. */
  "issue.blocked": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (draft, event) => setAside(draft, event, "blocked", event.data.reason),
  }),

  "issue.held": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (draft, event) => setAside(draft, event, "on-hold", event.data.reason),
  }),

  /** It goes on where it stood. */
  "issue.resumed": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "issues", event.entity);
      if (row.resumes_at === null) throw new ContradictionError(`issue ${issueName(row)} was not set aside`);
      move(draft, event, row.resumes_at, { reason: event.data.reason, resumes_at: null }, ["blocked", "on-hold"]);
    },
  }),

  "issue.cancelled": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (draft, event) => move(draft, event, "cancelled", { reason: event.data.reason, resumes_at: null }),
  }),

  /** Code looked at something; the newest look at a subject counts. */
  "issue.checked": eventKind({
    version: 1,
    schema: z.strictObject({
      check: z.enum(issueCheckNames),
      subject: z.string(),
      passed: z.boolean(),
      fault: z.boolean(),
      findings: z.array(z.string()),
      details: json,
    }),
    touches: (event) => [...touches(event), { table: "issue_checks", key: checkId(event) }],
    apply(draft, event) {
      const { check, ...found } = event.data;
      const id = checkId(event);
      change(draft, event, {});
      draft.put("issue_checks", id, { ...found, id, issue_id: event.entity, name: check, checked_at: event.time });
    },
  }),
};

const checkId = ({ entity, data }: Event<string, { check: string; subject: string }>): string =>
  `${entity}:${data.check}:${data.subject}`;
