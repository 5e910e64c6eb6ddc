import { z } from "zod";
import { explanationSchema, summarySchema } from "../investigations/explanation.ts";
import { investigationLifecycle, investigationOutcomes, type InvestigationRecord } from "../investigations/records.ts";
import { enter } from "../lifecycle.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";
import { lease } from "./schemas.ts";

const touches = (event: Event): RowRef[] => [{ table: "investigations", key: event.entity }];

const toolJob = (event: Event<string, { job: string }>): RowRef => ({ table: "tool_jobs", key: event.data.job });

/** The row, which must not have ended. */
function running(draft: State, event: Event): InvestigationRecord {
  const row = existing(draft, "investigations", event.entity);
  if (row.state === "ended") throw new ContradictionError(`investigation ${row.id} has ended`);
  return row;
}

export const investigationEvents = {
  /** A question is to be investigated. Its session, and then its tool servers, are started after this is written. */
  "investigation.started": eventKind({
    version: 1,
    schema: z.strictObject({
      number: z.int().positive(),
      project: z.string(),
      question: z.string(),
      servers: z.array(z.string()),
      compute: z.string().nullable(),
      commit: z.string().nullable(),
      max_turns: z.int().positive().nullable(),
      directory: z.string(),
      session_id: z.string(),
    }),
    touches,
    apply(draft, event) {
      if (draft.get("investigations", event.entity) !== undefined) {
        throw new ContradictionError(`investigation ${event.entity} exists already`);
      }
      draft.put("investigations", event.entity, {
        ...event.data,
        id: event.entity,
        state: investigationLifecycle.initial,
        explanations: [],
        summary: null,
        disruption: null,
        outcome: null,
        evidence: null,
        next: null,
        started_by: event.actor,
        started_at: event.time,
        ended_at: null,
      });
    },
  }),

  /** The limits of agents let it begin. */
  "investigation.begun": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply(draft, event) {
      const row = existing(draft, "investigations", event.entity);
      const state = enter(investigationLifecycle, row.id, row.state, "running");
      draft.put("investigations", row.id, { ...row, state });
    },
  }),

  /** A tool server is to become a job of a compute. It is submitted after this is written. */
  "investigation.placed": eventKind({
    version: 1,
    schema: z.strictObject({
      server: z.string(),
      job: z.string(),
      compute: z.string(),
      compute_id: z.string(),
      lease,
    }),
    touches: (event) => [...touches(event), toolJob(event)],
    apply(draft, event) {
      const { id, project } = running(draft, event);
      const { job, ...data } = event.data;
      if (draft.get("tool_jobs", job) !== undefined) throw new ContradictionError(`tool job ${job} exists already`);
      const place = { ...data, id: job, investigation_id: id, repository: project };
      draft.put("tool_jobs", job, { ...place, placed_at: event.time, ended_at: null, evidence: null });
    },
  }),

  /** The job of a tool server is over, and holds nothing any more. */
  "investigation.vacated": eventKind({
    version: 1,
    schema: z.strictObject({ job: z.string(), evidence: z.string() }),
    touches: (event) => [toolJob(event)],
    apply(draft, event) {
      const row = existing(draft, "tool_jobs", event.data.job);
      if (row.ended_at !== null) throw new ContradictionError(`tool job ${row.id} has ended`);
      draft.put("tool_jobs", row.id, { ...row, ended_at: event.time, evidence: event.data.evidence });
    },
  }),

  /** An entry of its research log. */
  "investigation.noted": eventKind({
    version: 1,
    schema: z.strictObject({ text: z.string() }),
    touches,
    apply: (draft, event) => void running(draft, event),
  }),

  "investigation.explained": eventKind({
    version: 1,
    schema: explanationSchema,
    touches,
    apply(draft, event) {
      const row = running(draft, event);
      draft.put("investigations", row.id, { ...row, explanations: [...row.explanations, event.data] });
    },
  }),

  /** Its agent handed in its answer. */
  "investigation.concluded": eventKind({
    version: 1,
    schema: summarySchema,
    touches,
    apply(draft, event) {
      const row = running(draft, event);
      if (row.summary !== null) throw new ContradictionError(`investigation ${row.id} is concluded already`);
      draft.put("investigations", row.id, { ...row, summary: event.data });
    },
  }),

  /** A tool server ended while its agent worked. */
  "investigation.disrupted": eventKind({
    version: 1,
    schema: z.strictObject({ server: z.string(), evidence: z.string() }),
    touches,
    apply(draft, event) {
      const row = running(draft, event);
      draft.put("investigations", row.id, { ...row, disruption: row.disruption ?? event.data });
    },
  }),

  "investigation.ended": eventKind({
    version: 1,
    schema: z.strictObject({
      outcome: z.enum(investigationOutcomes),
      evidence: z.string(),
      next: z.string().nullable(),
    }),
    touches,
    apply(draft, event) {
      const row = existing(draft, "investigations", event.entity);
      const state = enter(investigationLifecycle, row.id, row.state, "ended");
      draft.put("investigations", row.id, { ...row, ...event.data, state, ended_at: event.time });
    },
  }),
};
