import { z } from "zod";
import type { ExperimentRecord, Hold } from "../records.ts";
import { enter, experimentLifecycle, type ExperimentState } from "../lifecycle.ts";
import { eventKind, existing, type Event, type RowRef, type State } from "./event.ts";
import { budget, definition, environment, inputs, json, source } from "./schemas.ts";

const touches = (event: Event): RowRef[] => [{ table: "experiments", key: event.entity }];

/** Moves the experiment to a state and changes some of its members with it. */
function move(state: State, event: Event, to: ExperimentState, change: Partial<ExperimentRecord> = {}): void {
  const row = existing(state, "experiments", event.entity);
  const entered = enter(experimentLifecycle, row.id, row.state, to);
  state.put("experiments", row.id, { ...row, ...change, state: entered });
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
      search_path: z.string(),
      total_runs: z.int().positive(),
      foreknowledge: z.strictObject({
        known_results: z.int().nonnegative(),
        earlier_plan: z.string().nullable(),
      }),
    }),
    touches,
    apply(state, event) {
      if (state.get("experiments", event.entity) !== undefined) throw new Error(`${event.entity} exists already`);
      state.put("experiments", event.entity, {
        ...event.data,
        id: event.entity,
        state: experimentLifecycle.initial,
        stage: 0,
        hold: null,
        decision: null,
        check_failures: [],
        budget: event.data.definition.budget,
        without_failed: false,
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
    apply: (state, event) => move(state, event, "running"),
  }),

  "experiment.stage-started": eventKind({
    version: 1,
    schema: z.strictObject({ stage: z.int().nonnegative(), reason: z.string() }),
    touches,
    apply(state, event) {
      const row = existing(state, "experiments", event.entity);
      if (row.state !== "running") throw new Error(`${row.id} is ${row.state}: no stage can start`);
      state.put("experiments", row.id, { ...row, stage: event.data.stage });
    },
  }),

  "experiment.held": eventKind({
    version: 1,
    schema: z.strictObject({
      code: z.enum(["person", "budget", "stage-failed", "runs-failed", "checks-failed"]),
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
      move(state, event, "running", {
        hold: null,
        budget: event.data.budget ?? row.budget,
        without_failed: event.data.without_failed || row.without_failed,
      });
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

  "experiment.reopened": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (state, event) =>
      move(state, event, "running", { hold: null, decision: null, decided_at: null, check_failures: [] }),
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
