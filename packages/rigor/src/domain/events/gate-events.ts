import { z } from "zod";
import { gateLifecycle } from "../issues/issue-lifecycle.ts";
import { gateNames } from "../issues/records.ts";
import { enter } from "../lifecycle.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef } from "./event.ts";
import { json } from "./schemas.ts";

const keyOf = (event: Event<string, { number: number }>): string => String(event.data.number);
const touches = (event: Event<string, { number: number }>): RowRef[] => [{ table: "gates", key: keyOf(event) }];
const number = z.int().positive();

export const gateEvents = {
  "gate.opened": eventKind({
    version: 1,
    schema: z.strictObject({
      number,
      name: z.enum(gateNames),
      question: z.string(),
      why: z.string(),
      options: z.array(z.strictObject({ choice: z.string(), effect: z.string(), needs_reason: z.boolean() })).min(1),
      binding: json,
      evidence: json,
    }),
    touches,
    apply(draft, event) {
      const id = keyOf(event);
      if (draft.get("gates", id) !== undefined) throw new ContradictionError(`gate ${id} was opened already`);
      draft.put("gates", id, {
        ...event.data,
        id,
        issue_id: event.entity,
        state: gateLifecycle.initial,
        choice: null,
        reason: null,
        answers: [],
        opened_at: event.time,
        decided_at: null,
        decided_by: null,
      });
    },
  }),

  "gate.decided": eventKind({
    version: 1,
    schema: z.strictObject({
      number,
      choice: z.string(),
      reason: z.string().nullable(),
      answers: z.array(z.string()),
    }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "gates", keyOf(event));
      const { choice, reason, answers } = event.data;
      if (!row.options.some((option) => option.choice === choice)) {
        throw new ContradictionError(`gate ${row.id} has no choice ${choice}`);
      }
      const state = enter(gateLifecycle, row.id, row.state, "decided");
      const decided = { decided_at: event.time, decided_by: event.actor };
      draft.put("gates", row.id, { ...row, state, choice, reason, answers, ...decided });
    },
  }),

  /** What it asks about is no longer so. */
  "gate.withdrawn": eventKind({
    version: 1,
    schema: z.strictObject({ number, reason: z.string() }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "gates", keyOf(event));
      const state = enter(gateLifecycle, row.id, row.state, "withdrawn");
      draft.put("gates", row.id, { ...row, state, reason: event.data.reason });
    },
  }),
};
