import { z } from "zod";
import { sessionLifecycle } from "../issues/issue-lifecycle.ts";
import { noUsage, roleNames, type SessionRecord } from "../issues/records.ts";
import { enter } from "../lifecycle.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";

const touches = (event: Event): RowRef[] => [{ table: "sessions", key: event.entity }];

function change(draft: State, event: Event, members: Partial<SessionRecord>): void {
  const row = existing(draft, "sessions", event.entity);
  const state = members.state === undefined ? row.state : enter(sessionLifecycle, row.id, row.state, members.state);
  draft.put("sessions", row.id, { ...row, ...members, state });
}

const usage = z.strictObject({
  turns: z.number().nonnegative(),
  input_tokens: z.number().nonnegative(),
  cached_tokens: z.number().nonnegative(),
  output_tokens: z.number().nonnegative(),
  cost: z.number().nonnegative().nullable(),
  seconds: z.number().nonnegative(),
});

export const sessionEvents = {
  /** Somebody is to do a role's work. Its process, if it has one, is started after this is written. */
  "session.started": eventKind({
    version: 1,
    schema: z.strictObject({
      issue_id: z.string().nullable(),
      role: z.enum(roleNames),
      subject: z.string(),
      backend: z.string(),
      model: z.string().nullable(),
      member: z.string().nullable(),
      directory: z.string(),
    }),
    touches,
    apply(draft, event) {
      if (draft.get("sessions", event.entity) !== undefined) {
        throw new ContradictionError(`session ${event.entity} exists already`);
      }
      draft.put("sessions", event.entity, {
        ...event.data,
        id: event.entity,
        state: sessionLifecycle.initial,
        process: null,
        restarts: 0,
        outcome: null,
        evidence: null,
        next: null,
        usage: noUsage,
        refused: [],
        submission_id: null,
        started_at: event.time,
        ended_at: null,
      });
    },
  }),

  "session.launched": eventKind({
    version: 1,
    schema: z.strictObject({ process: z.strictObject({ pid: z.int(), started: z.string() }).nullable() }),
    touches,
    apply: (draft, event) => change(draft, event, { state: "running", process: event.data.process }),
  }),

  /** Its process is gone because the daemon or the machine went; it goes on from its transcript. */
  "session.interrupted": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "sessions", event.entity);
      change(draft, event, { state: "starting", process: null, restarts: row.restarts + 1 });
    },
  }),

  /** A person on another machine of the lab wants it to end. The daemon that follows it ends it. */
  "session.dismissed": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (draft, event) => change(draft, event, {}),
  }),

  /** A tool that it called gave no answer for so long that the tool seems to hang. */
  "session.stalled": eventKind({
    version: 1,
    schema: z.strictObject({ tool: z.string(), seconds: z.number().positive() }),
    touches,
    apply: (draft, event) => change(draft, event, {}),
  }),

  /** What it has used so far: budgets count it before its end. */
  "session.used": eventKind({
    version: 1,
    schema: z.strictObject({ usage }),
    touches,
    apply: (draft, event) => change(draft, event, { usage: event.data.usage }),
  }),

  /** It tried what its role does not permit. */
  "session.refused": eventKind({
    version: 1,
    schema: z.strictObject({ tool: z.string(), why: z.string() }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "sessions", event.entity);
      change(draft, event, { refused: [...row.refused, event.data] });
    },
  }),

  /** It handed in what its role asks for. */
  "session.submitted": eventKind({
    version: 1,
    schema: z.strictObject({ submission_id: z.string() }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "sessions", event.entity);
      if (row.submission_id !== null) throw new ContradictionError(`session ${row.id} has handed in already`);
      change(draft, event, { submission_id: event.data.submission_id });
    },
  }),

  "session.ended": eventKind({
    version: 1,
    schema: z.strictObject({
      outcome: z.string(),
      evidence: z.string().nullable(),
      next: z.string().nullable(),
      usage,
    }),
    touches,
    apply: (draft, event) => change(draft, event, { ...event.data, state: "ended", ended_at: event.time }),
  }),
};
