import { z } from "zod";
import type { Compute } from "../files/compute-schema.ts";
import { computeLifecycle, enter, type ComputeState } from "../lifecycle.ts";
import type { ComputeRecord } from "../records.ts";
import { ContradictionError, eventKind, existing, type Event, type RowRef, type State } from "./event.ts";

const touches = (event: Event): RowRef[] => [{ table: "computes", key: event.entity }];

function move(state: State, event: Event, to: ComputeState, change: Pick<ComputeRecord, "reason" | "until">): void {
  const row = existing(state, "computes", event.entity);
  state.put("computes", row.id, { ...row, ...change, state: enter(computeLifecycle, row.id, row.state, to) });
}

/** Checked in full when `rigor.yaml` is read; the log keeps what was checked. */
const configuration = z.custom<Compute>((value) => typeof value === "object" && value !== null);

const problem = z.strictObject({ check: z.string(), found: z.string(), remedy: z.string().nullable() });

export const computeEvents = {
  /** A compute was used for the first time: whoever takes its attempts over knows how to reach it. */
  "compute.noted": eventKind({
    version: 1,
    schema: z.strictObject({ configuration }),
    touches,
    apply(state, event) {
      if (state.get("computes", event.entity) !== undefined) {
        throw new ContradictionError(`compute ${event.entity} is known already`);
      }
      state.put("computes", event.entity, {
        id: event.entity,
        configuration: event.data.configuration,
        state: computeLifecycle.initial,
        reason: null,
        until: null,
        checked_at: null,
        problems: [],
        identity: null,
      });
    },
  }),

  /**
   * What Rigor's directory there is marked with. A daemon that finds another mark under the same name is on another
   * machine, and concludes nothing from what is missing there.
   */
  "compute.identified": eventKind({
    version: 1,
    schema: z.strictObject({ identity: z.string() }),
    touches,
    apply(state, event) {
      const row = existing(state, "computes", event.entity);
      if (row.identity !== null) throw new ContradictionError(`compute ${event.entity} is identified already`);
      state.put("computes", row.id, { ...row, identity: event.data.identity });
    },
  }),

  /** No run is started there until a time, or until it is used again by a person's word. */
  "compute.rested": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string(), until: z.string() }),
    touches,
    apply: (state, event) => move(state, event, "resting", event.data),
  }),

  /** No run is started there until a person says so; those under way go on. */
  "compute.drained": eventKind({
    version: 1,
    schema: z.strictObject({ reason: z.string() }),
    touches,
    apply: (state, event) => move(state, event, "drained", { reason: event.data.reason, until: null }),
  }),

  "compute.resumed": eventKind({
    version: 1,
    schema: z.strictObject({}),
    touches,
    apply: (state, event) => move(state, event, "available", { reason: null, until: null }),
  }),

  /** It was tried, with a job that came back or with what is wrong. */
  "compute.checked": eventKind({
    version: 1,
    schema: z.strictObject({ problems: z.array(problem) }),
    touches,
    apply(state, event) {
      const row = existing(state, "computes", event.entity);
      state.put("computes", row.id, { ...row, checked_at: event.time, problems: event.data.problems });
    },
  }),
};
