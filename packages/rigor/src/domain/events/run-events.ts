import { z } from "zod";
import { enter, runLifecycle, type RunState } from "../lifecycle.ts";
import type { RunRecord } from "../records.ts";
import {
  ContradictionError,
  eventKind,
  existing,
  needKey,
  placementKey,
  type Event,
  type RowRef,
  type State,
} from "./event.ts";
import { jsonRecord, placement, reason } from "./schemas.ts";

const touches = (event: Event): RowRef[] => [{ table: "runs", key: event.entity }];

type Placement = z.infer<typeof placement>;

const placementRow = (event: Event<string, { placement: Placement }>): RowRef => ({
  table: "placements",
  key: placementKey(event.data.placement.experiment_id, event.entity),
});

const needRows = (run: string, needs: Record<string, string>): RowRef[] =>
  Object.keys(needs).map((folder) => ({ table: "needs", key: needKey(run, folder) }));

function place(state: State, event: Event<string, { placement: Placement }>): void {
  const { placement: at } = event.data;
  const key = placementKey(at.experiment_id, event.entity);
  if (state.get("placements", key) !== undefined) {
    throw new ContradictionError(`experiment ${at.experiment_id} has run ${event.entity} already`);
  }
  state.put("placements", key, {
    ...at,
    run_id: event.entity,
    first_stage: Math.min(...at.stages),
  });
}

/**
 * Moves the run to a state and changes some of its members with it.
 *
 * @param from the states that this event leaves; by default every one that the lifecycle lets enter `to`
 */
export function moveRun(
  state: State,
  event: Event,
  id: string,
  to: RunState,
  change: Partial<RunRecord> = {},
  from?: readonly RunState[],
): void {
  const row = existing(state, "runs", id);
  const entered = enter(runLifecycle, row.id, row.state, to, from);
  state.put("runs", row.id, { ...row, ...change, state: entered, changed_at: event.time });
}

const interruptions = new Set(["timeout", "preempted", "disk-full", "quota", "network", "node-failure", "killed"]);

/** Checkpoints of a run that was interrupted are good; those of one that went wrong by itself are not resumed from. */
function wasCutShort({ state, reason }: RunRecord): boolean {
  return state === "cancelled" || (state === "failed" && reason !== null && interruptions.has(reason.code));
}

export const runEvents = {
  "run.created": eventKind({
    version: 1,
    schema: z.strictObject({ parameters: jsonRecord, needs: z.record(z.string(), z.string()), placement }),
    touches: (event) => [...touches(event), placementRow(event), ...needRows(event.entity, event.data.needs)],
    apply(state, event) {
      if (state.get("runs", event.entity) !== undefined) {
        throw new ContradictionError(`run ${event.entity} exists already`);
      }
      place(state, event);
      const { parameters, needs, placement: at } = event.data;
      state.put("runs", event.entity, {
        id: event.entity,
        state: runLifecycle.initial,
        experiment_id: at.experiment_id,
        arm: at.arm,
        task: at.task,
        parameters,
        seed: at.seed,
        needs,
        attempts: 0,
        resume_from: 1,
        current_attempt: null,
        retries: { infrastructure: 0, preemption: 0, code: 0 },
        not_before: null,
        reason: null,
        result_attempt: null,
        created_at: event.time,
        changed_at: event.time,
      });
      for (const [folder, needed] of Object.entries(needs)) {
        state.put("needs", needKey(event.entity, folder), { run_id: event.entity, folder, needed });
      }
    },
  }),

  /** An experiment asks for a run that exists already. */
  "run.shared": eventKind({
    version: 1,
    schema: z.strictObject({ placement }),
    touches: (event) => [...touches(event), placementRow(event)],
    apply(state, event) {
      existing(state, "runs", event.entity);
      place(state, event);
    },
  }),

  /** The present attempt succeeded and its result is recorded. An attempt that was given up cannot complete a run. */
  "run.completed": eventKind({
    version: 1,
    schema: z.strictObject({ attempt_id: z.string() }),
    touches: (event) => [
      ...touches(event),
      { table: "attempts", key: event.data.attempt_id },
      { table: "results", key: event.data.attempt_id },
    ],
    apply(state, event) {
      const run = existing(state, "runs", event.entity);
      const attempt = existing(state, "attempts", event.data.attempt_id);
      existing(state, "results", attempt.id);
      if (run.current_attempt !== attempt.id || attempt.state !== "succeeded") {
        throw new ContradictionError(`attempt ${attempt.id} is ${attempt.state} and cannot complete run ${run.id}`);
      }
      moveRun(state, event, run.id, "done", { result_attempt: attempt.id, reason: null });
    },
  }),

  "run.failed": eventKind({
    version: 1,
    schema: z.strictObject({ reason }),
    touches,
    apply: (state, event) => moveRun(state, event, event.entity, "failed", { reason: event.data.reason }),
  }),

  /** The run goes back to the queue after a failed attempt; counters and time are kept here, in no process. */
  "run.retried": eventKind({
    version: 1,
    schema: z.strictObject({
      reason,
      retries: z.strictObject({
        infrastructure: z.int().nonnegative(),
        preemption: z.int().nonnegative(),
        code: z.int().nonnegative(),
      }),
      not_before: z.string().nullable(),
    }),
    touches,
    apply: (state, event) => moveRun(state, event, event.entity, "pending", event.data, ["active"]),
  }),

  /** A person asks for the run again: counters start anew. */
  "run.requeued": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply(state, event) {
      const row = existing(state, "runs", event.entity);
      const change = {
        reason: null,
        retries: { infrastructure: 0, preemption: 0, code: 0 },
        not_before: null,
        result_attempt: null,
        resume_from: wasCutShort(row) ? row.resume_from : row.attempts + 1,
      };
      moveRun(state, event, event.entity, "pending", change, ["failed", "cancelled", "invalid"]);
    },
  }),

  /** A check failed, or a person revoked the result. */
  "run.invalidated": eventKind({
    version: 1,
    schema: z.strictObject({ reason }),
    touches,
    apply: (state, event) => moveRun(state, event, event.entity, "invalid", { reason: event.data.reason }),
  }),

  /** The check that failed has been corrected: the result counts again. */
  "run.restored": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (state, event) => moveRun(state, event, event.entity, "done", { reason: null }, ["invalid"]),
  }),

  "run.held": eventKind({
    version: 1,
    schema: z.strictObject({ reason }),
    touches,
    apply: (state, event) => moveRun(state, event, event.entity, "held", { reason: event.data.reason }),
  }),

  "run.released": eventKind({
    version: 1,
    schema: z.strictObject({ note: z.string() }),
    touches,
    apply: (state, event) =>
      moveRun(state, event, event.entity, "pending", { reason: null, not_before: null }, ["held"]),
  }),

  "run.cancelled": eventKind({
    version: 1,
    schema: z.strictObject({ reason }),
    touches,
    apply: (state, event) => moveRun(state, event, event.entity, "cancelled", { reason: event.data.reason }),
  }),
};
