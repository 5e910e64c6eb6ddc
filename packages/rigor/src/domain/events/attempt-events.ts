import { z } from "zod";
import { attemptLifecycle, enter, isFinal, type AttemptState } from "../lifecycle.ts";
import type { AttemptRecord, GivenOutputs, RunRecord } from "../records.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";
import { moveRun } from "./run-events.ts";
import { artifact, givenOutputs, lease, resources } from "./schemas.ts";

/** The machine by its own name, where that was not known when the attempt was queued: a node of a cluster. */
const executedOn = z.string().exactOptional();

const touches = (event: Event): RowRef[] => [{ table: "attempts", key: event.entity }];

function move(state: State, event: Event, to: AttemptState, change: Partial<AttemptRecord> = {}): void {
  const row = existing(state, "attempts", event.entity);
  const entered = enter(attemptLifecycle, row.id, row.state, to);
  state.put("attempts", row.id, { ...row, ...change, state: entered });
}

/** However a start was decided, a run is given the valid result of every run that it needs, or it does not start. */
function refuseWithoutNeeds(state: State, run: RunRecord, given: Record<string, GivenOutputs>): void {
  const folders = new Set([...Object.keys(run.needs), ...Object.keys(given)]);
  for (const folder of folders) {
    const outputs = given[folder];
    if (outputs === undefined || outputs.run_id !== run.needs[folder]) {
      throw new ContradictionError(`run ${run.id} is not given what it needs in ${folder}`);
    }
    const needed = existing(state, "runs", outputs.run_id);
    if (needed.state !== "done" || needed.result_attempt !== outputs.attempt_id) {
      throw new ContradictionError(`run ${run.id} needs run ${needed.id}, which is ${needed.state}`);
    }
  }
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
      needs: givenOutputs,
    }),
    touches: (event) => [
      ...touches(event),
      { table: "runs", key: event.data.run_id },
      ...Object.values(event.data.needs).map(({ run_id }): RowRef => ({ table: "runs", key: run_id })),
    ],
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
      refuseWithoutNeeds(state, run, event.data.needs);
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
        job: null,
        process: null,
        exit: null,
        category: null,
        evidence: null,
        queued_at: event.time,
        started_at: null,
        finished_at: null,
        duration: null,
        memory_peak: null,
        gpu_memory_peak: null,
      });
    },
  }),

  /** Another daemon drives its compute now, and keeps its files in a directory of its own. */
  "attempt.adopted": eventKind({
    version: 1,
    schema: z.strictObject({ directory: z.string() }),
    touches,
    apply(state, event) {
      const row = existing(state, "attempts", event.entity);
      if (isFinal(attemptLifecycle, row.state)) throw new ContradictionError(`attempt ${row.id} is ${row.state}`);
      state.put("attempts", row.id, { ...row, directory: event.data.directory });
    },
  }),

  /** Code, environment or inputs are being brought to the host. */
  "attempt.staging": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (state, event) => move(state, event, "staging"),
  }),

  /** The job was handed to its host, or to a scheduler, which calls it `job`. */
  "attempt.submitted": eventKind({
    version: 1,
    schema: z.strictObject({ job: z.string().nullable() }),
    touches,
    apply: (state, event) => move(state, event, "submitted", event.data),
  }),

  "attempt.started": eventKind({
    version: 1,
    schema: z.strictObject({
      process: z.strictObject({ pid: z.int().positive(), started: z.string() }).nullable(),
      started_at: z.string(),
      host: executedOn,
    }),
    touches,
    apply: (state, event) => move(state, event, "running", event.data),
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
      memory_peak: z.int().nonnegative().nullable(),
      gpu_memory_peak: z.int().nonnegative().nullable(),
      host: executedOn,
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
      outputs_hash: z.string(),
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
