import type { ExperimentSummary } from "../../api/contract/views/experiments.ts";
import type { RunSummary } from "../../api/contract/views/runs.ts";
import { duration, integer } from "../output/format.ts";
import type { Paint, Style } from "../output/terminal.ts";

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

/** That the disk of the data directory lacks room, in the same words wherever somebody looks. */
export const roomLines = (lacking: string | null, style: Style): string[] =>
  lacking === null
    ? []
    : [style.yellow(`No run starts here: ${lacking}. Free some space there: nothing is lost, and what waits goes on.`)];

/** Reasons that are named for one compute, at most. */
const mostReasons = 2;

/** `12 waiting at marlowe: QOSMaxGRESPerUser`, an entry for each compute; `stuck` is what only a person can start. */
function waitingTexts(waiting: ExperimentSummary["waiting"]): string[] {
  const places = Map.groupBy(waiting, ({ compute, held }) => `${held ? "stuck" : "waiting"} at ${compute}`);
  return [...places].map(([where, groups]) => {
    const runs = groups.reduce((sum, group) => sum + group.runs, 0);
    const reasons = groups.flatMap(({ reason, runs: some }) =>
      reason === null ? [] : some === runs ? reason : `${reason} (${integer(some)})`,
    );
    const named = [...reasons.slice(0, mostReasons), ...(reasons.length > mostReasons ? ["..."] : [])].join(", ");
    return `${integer(runs)} ${where}${named === "" ? "" : `: ${named}`}`;
  });
}

/** `3 waiting for pretraining@1 (held)`, an entry for each other experiment. */
function awaitedTexts(waitingFor: ExperimentSummary["waiting_for"]): string[] {
  return waitingFor.map(({ experiment, state, runs }) => `${integer(runs)} waiting for ${experiment} (${state})`);
}

/** `6 again after a pause (killed), the next in 12 s` */
function retryTexts(retries: ExperimentSummary["retries"], now: number): string[] {
  if (retries === null) return [];
  const seconds = Math.max(1, Math.ceil((Date.parse(retries.next_at) - now) / 1_000));
  return [`${integer(retries.runs)} again after a pause (${retries.after}), the next in ${duration(seconds)}`];
}

/** What runs of an experiment wait for, besides their turn. */
export function waitTexts(
  { waiting, waiting_for: waitingFor, retries }: Pick<ExperimentSummary, "waiting" | "waiting_for" | "retries">,
  now: number,
): string[] {
  return [...waitingTexts(waiting), ...awaitedTexts(waitingFor), ...retryTexts(retries, now)];
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
