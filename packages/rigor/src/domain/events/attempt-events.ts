import { z } from "zod";
import { attemptLifecycle, enter, type AttemptState } from "../lifecycle.ts";
import type { AttemptRecord } from "../records.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";
import { moveRun } from "./run-events.ts";
import { artifact, lease, resources } from "./schemas.ts";

const touches = (event: Event): RowRef[] => [{ table: "attempts", key: event.entity }];

function move(state: State, event: Event, to: AttemptState, change: Partial<AttemptRecord> = {}): void {
  const row = existing(state, "attempts", event.entity);
  const entered = enter(attemptLifecycle, row.id, row.state, to);
  state.put("attempts", row.id, { ...row, ...change, state: entered });
}

export const attemptEvents = {
  /** The intent to start, with the lease that it holds until it ends. Written before anything is started. */
  "attempt.queued": eventKind({
    version: 1,
    schema: z.strictObject({
      run_id: z.string(),
      experiment_id: z.string(),
      number: z.int().positive(),
      compute: z.string(),
      compute_id: z.string(),
      host: z.string(),
      directory: z.string(),
      lease,
      resources,
    }),
    touches: (event) => [...touches(event), { table: "runs", key: event.data.run_id }],
    apply(state, event) {
      if (state.get("attempts", event.entity) !== undefined) {
        throw new ContradictionError(`attempt ${event.entity} exists already`);
      }
      const run = existing(state, "runs", event.data.run_id);
      if (event.data.number !== run.attempts + 1) {
        throw new ContradictionError(
          `run ${run.id} has had ${run.attempts} attempts: number ${event.data.number} is wrong`,
        );
      }
      moveRun(state, event, run.id, "active", {
        attempts: run.attempts + 1,
        current_attempt: event.entity,
        not_before: null,
      });
      state.put("attempts", event.entity, {
        ...event.data,
        id: event.entity,
        state: attemptLifecycle.initial,
        fence: event.seq,
        process: null,
        exit: null,
        category: null,
        evidence: null,
        queued_at: event.time,
        started_at: null,
        finished_at: null,
        duration: null,
      });
    },
  }),

  /** Code, environment or inputs are being brought to the host. */
  "attempt.staging": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (state, event) => move(state, event, "staging"),
  }),

  /** The job was handed to its host. */
  "attempt.submitted": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (state, event) => move(state, event, "submitted"),
  }),

  "attempt.started": eventKind({
    version: 1,
    schema: z.strictObject({
      process: z.strictObject({ pid: z.int().positive(), started: z.string() }).nullable(),
      started_at: z.string(),
    }),
    touches,
    apply: (state, event) =>
      move(state, event, "running", { process: event.data.process, started_at: event.data.started_at }),
  }),

  /** How it ended. Nothing changes the attempt after this. */
  "attempt.finished": eventKind({
    version: 1,
    schema: z.strictObject({
      state: z.enum(["succeeded", "failed", "preempted", "timed-out", "lost", "cancelled"]),
      exit: z.strictObject({ code: z.int().nullable(), signal: z.string().nullable() }).nullable(),
      category: z.string().nullable(),
      evidence: z.string().nullable(),
      started_at: z.string().nullable(),
      finished_at: z.string(),
      duration: z.number().nonnegative().nullable(),
    }),
    touches,
    apply(state, event) {
      const { state: to, started_at, ...change } = event.data;
      const row = existing(state, "attempts", event.entity);
      move(state, event, to, { ...change, started_at: row.started_at ?? started_at });
    },
  }),

  /** What an attempt measured and made. */
  "result.recorded": eventKind({
    version: 1,
    schema: z.strictObject({
      run_id: z.string(),
      metrics: z.record(z.string(), z.number()),
      inputs_hash: z.string().nullable(),
      artifacts: z.array(artifact),
      warnings: z.array(z.string()),
    }),
    touches: (event) => [...touches(event), { table: "results", key: event.entity }],
    apply(state, event) {
      if (state.get("results", event.entity) !== undefined) {
        throw new ContradictionError(`attempt ${event.entity} has a result already`);
      }
      const attempt = existing(state, "attempts", event.entity);
      if (attempt.run_id !== event.data.run_id) {
        throw new ContradictionError(
          `attempt ${attempt.id} belongs to run ${attempt.run_id}, not ${event.data.run_id}`,
        );
      }
      state.put("results", event.entity, { ...event.data, attempt_id: event.entity, recorded_at: event.time });
    },
  }),
};
