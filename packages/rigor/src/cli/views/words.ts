import type { ExperimentSummary, RunSummary } from "../../api/contract/views.ts";
import { integer } from "../format.ts";
import type { Paint, Style } from "../terminal.ts";

type Counts = ExperimentSummary["counts"];
type RunState = RunSummary["state"];

/** The states in which runs are worth mentioning, in the order of a run's life. */
const stateOrder: readonly RunState[] = ["done", "active", "pending", "held", "failed", "invalid", "cancelled"];

/** `54 done, 4 active, 2 failed`; nothing is `no runs`. */
export function countsText(counts: Counts, style: Style): string {
  const parts = stateOrder
    .filter((state) => counts[state] > 0)
    .map((state) => paintState(style, state)(`${integer(counts[state])} ${state}`));
  return parts.length === 0 ? "no runs" : parts.join(", ");
}

/** The state of an experiment in a word: its outcome once it is decided. */
export function experimentState({ state, outcome }: Pick<ExperimentSummary, "state" | "outcome">): string {
  return state === "decided" ? (outcome ?? "done") : state;
}

export function paintState(style: Style, state: string): Paint {
  switch (state) {
    case "done":
    case "supported":
      return style.green;
    case "failed":
    case "invalid":
    case "refuted":
      return style.red;
    case "held":
    case "inconclusive":
      return style.yellow;
    case "pending":
    case "cancelled":
    case "archived":
      return style.dim;
    default:
      return (text) => text;
  }
}

/** How an experiment is named on the command line: the version only where it is needed. */
export function experimentReference({
  name,
  reference,
  state,
}: Pick<ExperimentSummary, "name" | "reference" | "state">): string {
  return state === "archived" ? reference : name;
}

/** Why a run is in its state: the kind of reason and what it says. People give their reasons in words. */
export function whyText({ code, message }: NonNullable<RunSummary["reason"]>): string {
  return code === "person" ? message : `${code}: ${message}`;
}
