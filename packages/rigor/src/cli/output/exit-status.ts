import type { ExperimentSummary } from "../../api/contract/views/experiments.ts";

type Ended = Pick<ExperimentSummary, "state" | "outcome" | "counts" | "hold">;

/** Exit status when only the watching ended: after Ctrl-C, or because the daemon was stopped. */
export const detached = 130;

/** Holds that tell of runs that went wrong; with all others the experiment waits for somebody. */
const failures: ReadonlySet<NonNullable<Ended["hold"]>["code"]> = new Set([
  "runs-failed",
  "checks-failed",
  "command-missing",
  "code-changed",
]);

/** True when nothing more happens to an experiment by itself. */
export function hasEnded({ state }: Pick<ExperimentSummary, "state">): boolean {
  return state === "decided" || state === "held" || state === "cancelled" || state === "archived";
}

/**
 * Exit status of `rigor run` for an experiment that has ended: 0 when all runs are done and the decision is
 * supported, or no rule was declared; 1 when the answer is another one, or runs went wrong; 3 when it waits.
 */
export function experimentExit({ state, outcome, counts, hold }: Ended): 0 | 1 | 3 {
  if (state === "held") return hold !== null && failures.has(hold.code) ? 1 : 3;
  if (state !== "decided") return 1;
  if (counts.failed + counts.invalid + counts.cancelled > 0) return 1;
  return outcome === null || outcome === "supported" ? 0 : 1;
}
