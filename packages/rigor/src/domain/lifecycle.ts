/**
 * The states of the domain's nouns, as data. A transition that is not listed here cannot be applied: `apply`
 * of every event goes through {@link enter}, which also knows the states in which that event makes sense.
 */
export interface Lifecycle<State extends string> {
  readonly noun: string;
  readonly initial: State;
  readonly transitions: Readonly<Record<State, readonly State[]>>;
}

export type AttemptState =
  | "queued"
  | "staging"
  | "submitted"
  | "running"
  | "succeeded"
  | "failed"
  | "preempted"
  | "timed-out"
  | "lost"
  | "cancelled";

const attemptEnds = ["succeeded", "failed", "preempted", "timed-out", "lost", "cancelled"] as const;

/** One try at a run on one host. Its ends are final: a retry is a new attempt. */
export const attemptLifecycle: Lifecycle<AttemptState> = {
  noun: "attempt",
  initial: "queued",
  transitions: {
    queued: ["staging", "submitted", "failed", "lost", "cancelled"],
    staging: ["submitted", "failed", "lost", "cancelled"],
    submitted: ["running", ...attemptEnds],
    running: attemptEnds,
    succeeded: [],
    failed: [],
    preempted: [],
    "timed-out": [],
    lost: [],
    cancelled: [],
  },
};

export type RunState = "pending" | "active" | "done" | "failed" | "held" | "cancelled" | "invalid";

/** A cell with one seed. Every end can be left again: by a rerun, or because a result is revoked. */
export const runLifecycle: Lifecycle<RunState> = {
  noun: "run",
  initial: "pending",
  transitions: {
    pending: ["active", "held", "cancelled"],
    active: ["pending", "done", "failed", "cancelled"],
    done: ["invalid"],
    failed: ["pending", "cancelled"],
    held: ["pending", "cancelled"],
    cancelled: ["pending"],
    invalid: ["pending", "done", "cancelled"],
  },
};

export type ExperimentState = "draft" | "running" | "deciding" | "decided" | "held" | "cancelled" | "archived";

/** A design with its runs. A decided experiment can be reopened; a superseded one is archived for good. */
export const experimentLifecycle: Lifecycle<ExperimentState> = {
  noun: "experiment",
  initial: "draft",
  transitions: {
    draft: ["running", "cancelled"],
    running: ["deciding", "held", "cancelled", "archived"],
    deciding: ["decided", "held", "running", "cancelled"],
    decided: ["running", "archived"],
    held: ["running", "cancelled", "archived"],
    cancelled: ["running", "archived"],
    archived: [],
  },
};

export type ComputeState = "available" | "resting" | "drained";

/** Whether runs may be started on a machine or cluster. Those that are there go on in any state. */
export const computeLifecycle: Lifecycle<ComputeState> = {
  noun: "compute",
  initial: "available",
  transitions: {
    available: ["resting", "drained"],
    resting: ["available", "drained"],
    drained: ["available"],
  },
};

/** True for a state that nothing leaves. */
export function isFinal<State extends string>(lifecycle: Lifecycle<State>, state: State): boolean {
  return lifecycle.transitions[state].length === 0;
}

/**
 * The state to enter, if the lifecycle and the event allow it.
 *
 * @param allowed the states that the event leaves; several events may lead to one state, each from states of its own
 * @throws {@link TransitionError} otherwise: the caller asked for something that the state does not permit.
 */
export function enter<State extends string>(
  lifecycle: Lifecycle<State>,
  id: string,
  from: State,
  to: State,
  allowed: readonly State[] = [from],
): State {
  if (!allowed.includes(from) || !lifecycle.transitions[from].includes(to)) {
    throw new TransitionError(lifecycle.noun, id, from, to);
  }
  return to;
}

/** An event does not fit the state of its entity. Nothing was changed. */
export class TransitionError extends Error {
  readonly noun: string;
  readonly id: string;
  readonly from: string;
  readonly to: string;

  constructor(noun: string, id: string, from: string, to: string) {
    super(`${noun} ${id} is ${from} and cannot become ${to}`);
    this.name = "TransitionError";
    this.noun = noun;
    this.id = id;
    this.from = from;
    this.to = to;
  }
}
