import type { Lifecycle } from "../lifecycle.ts";

export type IssueState =
  | "proposed"
  | "clarifying"
  | "planning"
  | "plan-review"
  | "implementing"
  | "code-review"
  | "testing"
  | "running"
  | "verifying"
  | "analyzing"
  | "result-review"
  | "promotion"
  | "done"
  | "blocked"
  | "on-hold"
  | "cancelled";

/** From every state that is no end, an issue can be blocked, held or cancelled. */
const aside = ["blocked", "on-hold", "cancelled"] as const;

/** The states in which somebody, or code, is at work. */
export const workingStates = [
  "clarifying",
  "planning",
  "plan-review",
  "implementing",
  "code-review",
  "testing",
  "running",
  "verifying",
  "analyzing",
  "result-review",
  "promotion",
] as const;

/** A unit of work on the board. What is blocked or on hold goes on where it stood. */
export const issueLifecycle: Lifecycle<IssueState> = {
  noun: "issue",
  initial: "proposed",
  transitions: {
    proposed: ["clarifying", "planning", "on-hold", "cancelled"],
    clarifying: ["planning", ...aside],
    planning: ["plan-review", "analyzing", ...aside],
    "plan-review": ["planning", "implementing", "verifying", ...aside],
    implementing: ["plan-review", "code-review", "testing", ...aside],
    "code-review": ["plan-review", "implementing", "testing", ...aside],
    testing: ["plan-review", "implementing", "running", "done", ...aside],
    running: ["planning", "plan-review", "implementing", "verifying", ...aside],
    verifying: ["running", "analyzing", ...aside],
    analyzing: ["result-review", ...aside],
    "result-review": ["analyzing", "promotion", ...aside],
    promotion: ["running", "analyzing", "result-review", "done", ...aside],
    done: [],
    blocked: [...workingStates, "on-hold", "cancelled"],
    "on-hold": ["proposed", ...workingStates, "blocked", "cancelled"],
    cancelled: [],
  },
};

export type ConcernState = "open" | "fixed" | "disputed" | "verified" | "waived";

/** One finding of a review. What its author says of it is looked at by the next reviewer. */
export const concernLifecycle: Lifecycle<ConcernState> = {
  noun: "concern",
  initial: "open",
  transitions: {
    open: ["fixed", "disputed", "verified", "waived"],
    fixed: ["verified", "open", "waived"],
    disputed: ["verified", "open", "waived"],
    verified: [],
    waived: [],
  },
};

export type GateState = "open" | "decided" | "withdrawn";

/** A decision that only a person takes. It is withdrawn when what it asks about has changed. */
export const gateLifecycle: Lifecycle<GateState> = {
  noun: "gate",
  initial: "open",
  transitions: { open: ["decided", "withdrawn"], decided: [], withdrawn: [] },
};

export type SessionState = "starting" | "running" | "ended";

/** One agent, or a person, at work in one role. A session that was interrupted starts again. */
export const sessionLifecycle: Lifecycle<SessionState> = {
  noun: "session",
  initial: "starting",
  transitions: { starting: ["running", "ended"], running: ["starting", "ended"], ended: [] },
};
