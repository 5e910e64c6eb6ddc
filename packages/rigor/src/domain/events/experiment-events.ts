import { z } from "zod";
import { holdCodes, type ExperimentRecord, type Hold } from "../records.ts";
import { enter, experimentLifecycle, type ExperimentState } from "../lifecycle.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";
import { budget, definition, environment, inputs, json, neededExperiments, source } from "./schemas.ts";

const touches = (event: Event): RowRef[] => [{ table: "experiments", key: event.entity }];

/**
 * Moves the experiment to a state and changes some of its members with it.
 *
 * @param from the states that this event leaves; by default every one that the lifecycle lets enter `to`
 */
function move(
  state: State,
  event: Event,
  to: ExperimentState,
  change: Partial<ExperimentRecord> = {},
  from?: readonly ExperimentState[],
): void {
  const row = existing(state, "experiments", event.entity);
  const entered = enter(experimentLifecycle, row.id, row.state, to, from);
  state.put("experiments", row.id, {
    ...row,
    ...change,
    state: entered,
    running: clocked(row.running, to, event.time),
  });
}

/** Time counts while the experiment is running, and not while it waits for a person. */
function clocked(
  { seconds, since }: ExperimentRecord["running"],
  to: ExperimentState,
  time: string,
): ExperimentRecord["running"] {
  if (to === "running") return { seconds, since: since ?? time };
  if (since === null) return { seconds, since };
  return { seconds: seconds + Math.max(0, Date.parse(time) - Date.parse(since)) / 1_000, since: null };
}

export const experimentEvents = {
  "experiment.created": eventKind({
    version: 1,
    schema: z.strictObject({
      name: z.string(),
      version: z.int().positive(),
      plan_hash: z.string(),
      definition,
      file: z.string(),
      source,
      environment,
      inputs,
      needs: neededExperiments,
      search_path: z.string(),
      total_runs: z.int().positive(),
      foreknowledge: z.strictObject({
        known_results: z.int().nonnegative(),
        preregistered: z.boolean(),
        predecessor: z.string().nullable(),
      }),
    }),
    touches,
    apply(state, event) {
      if (state.get("experiments", event.entity) !== undefined) {
        throw new ContradictionError(`experiment ${event.entity} exists already`);
      }
      state.put("experiments", event.entity, {
        ...event.data,
        id: event.entity,
        state: experimentLifecycle.initial,
        stage: 0,
        hold: null,
        decision: null,
        check_failures: [],
        budget: event.data.definition.budget,
        compute: event.data.definition.compute,
        without_failed: false,
        running: { seconds: 0, since: null },
        created_by: event.actor,
        created_at: event.time,
        decided_at: null,
      });
    },
  }),

  "experiment.started": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (state, event) => move(state, event, "running", {}, ["draft"]),
  }),

  /** Its runs start on other computes from now on. Those under way go on where they are. */
  "experiment.placed": eventKind({
    version: 1,
    schema: z.strictObject({ compute: z.array(z.string()).min(1) }),
    touches,
    apply(state, event) {
      const row = existing(state, "experiments", event.entity);
      state.put("experiments", row.id, { ...row, compute: event.data.compute });
    },
  }),

  "experiment.stage-started": eventKind({
    version: 1,
    schema: z.strictObject({ stage: z.int().nonnegative(), reason: z.string() }),
    touches,
    apply(state, event) {
      const row = existing(state, "experiments", event.entity);
      if (row.state !== "running") throw new ContradictionError(`${row.id} is ${row.state}: no stage can start`);
      state.put("experiments", row.id, { ...row, stage: event.data.stage, without_failed: false });
    },
  }),

  "experiment.held": eventKind({
    version: 1,
    schema: z.strictObject({
      code: z.enum(holdCodes),
      reason: z.string(),
      options: z.array(z.string()),
    }),
    touches,
    apply(state, event) {
      const hold: Hold = { ...event.data, since: event.time };
      move(state, event, "held", { hold });
    },
  }),

  "experiment.released": eventKind({
    version: 1,
    schema: z.strictObject({
      note: z.string(),
      /** Null leaves the budget as it is. */
      budget: budget.nullable(),
      without_failed: z.boolean(),
    }),
    touches,
    apply(state, event) {
      const row = existing(state, "experiments", event.entity);
      const change = {
        hold: null,
        budget: event.data.budget ?? row.budget,
        without_failed: event.data.without_failed || row.without_failed,
      };
      move(state, event, "running", change, ["held"]);
    },
  }),

  "experiment.deciding": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (state, event) => move(state, event, "deciding"),
  }),

  "experiment.decided": eventKind({
    version: 1,
    schema: z.strictObject({ decision: json }),
    touches,
    apply: (state, event) => move(state, event, "decided", { decision: event.data.decision, decided_at: event.time }),
  }),

  /** Runs are asked for again, so the decision has to be made anew. */
  "experiment.reopened": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply(state, event) {
      const change = { decision: null, decided_at: null, check_failures: [] };
      move(state, event, "running", change, ["deciding", "decided", "cancelled"]);
    },
  }),

  "experiment.cancelled": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (state, event) => move(state, event, "cancelled", { hold: null }),
  }),

  "experiment.archived": eventKind({
    version: 1,
    schema: z.strictObject({ superseded_by: z.string() }),
    touches,
    apply: (state, event) => move(state, event, "archived", { hold: null }),
  }),

  /** Checks across runs failed; the list replaces the one before. */
  "check.failed": eventKind({
    version: 1,
    schema: z.strictObject({ failures: z.array(json).min(1) }),
    touches,
    apply(state, event) {
      const row = existing(state, "experiments", event.entity);
      state.put("experiments", row.id, { ...row, check_failures: event.data.failures });
    },
  }),
};
