import type { DomainEvent } from "../events/registry.ts";
import { shortId } from "../format/words.ts";
import type { GivenOutputs, Reason, RunRecord } from "../records.ts";

/** Code of the reason of a run that was not started, or was stopped, for want of a run that it needs. */
export const needFailed = "need-failed";
/** Code of the reason of a run whose result rests on one that does not count any more. */
export const needInvalid = "need-invalid";

/** Category of an attempt that was not started because the outputs it was to be given are not there any more. */
export const needMissing = "need-missing";

/** A run that another one needs, as it is now. */
export interface NeededRun {
  /** Below `RIGOR_NEEDS` of the other one. */
  folder: string;
  run: Pick<RunRecord, "id" | "arm" | "state" | "reason">;
  /** Its result, while that counts. */
  valid: GivenOutputs | null;
}

/**
 * What follows for a run from the runs that it needs. It waits while one of them has a way to its result. It does not
 * start, and is stopped, where one has none, and comes back with it. Its own result counts only as long as the very
 * outputs count that it was given. The same facts always give the same event, and none once it has happened.
 *
 * @param given what the attempt was given that made the run's result
 * @param isWanted an experiment waits for the run, or will once it is released: only then it comes back
 */
export function followNeeds(
  run: RunRecord,
  needed: readonly NeededRun[],
  given: Readonly<Record<string, GivenOutputs>>,
  isWanted: boolean,
): DomainEvent[] {
  const dead = needed.find(({ run: { state } }) => isDead(state));
  const other = needed.find(({ folder, valid }) => valid === null || valid.sha256 !== given[folder]?.sha256);
  const isReady = needed.every(({ valid }) => valid !== null);
  const again = (reason: string): DomainEvent[] => [{ kind: "run.requeued", entity: run.id, data: { reason } }];
  switch (run.state) {
    case "pending":
    case "active":
      return dead === undefined ? [] : [{ kind: "run.cancelled", entity: run.id, data: { reason: wants(dead) } }];
    case "done":
      if (other === undefined) return [];
      return [{ kind: "run.invalidated", entity: run.id, data: { reason: restsOn(other) } }];
    case "invalid":
      if (run.reason?.code !== needInvalid || !isReady) return [];
      if (other !== undefined) return isWanted ? again(`it is given another ${other.folder}`) : [];
      return [{ kind: "run.restored", entity: run.id, data: { reason: "what it was given counts again" } }];
    case "cancelled":
    case "failed":
      if (!isWanted || dead !== undefined || !wasLeftWithout(run, isReady)) return [];
      return again("what it needs is made anew");
    default:
      return [];
  }
}

/**
 * Whether a run has no result only for want of another one. Outputs that could not be brought to it must be made anew
 * before it is tried again.
 *
 * @param isReady all that it needs is done
 */
function wasLeftWithout({ reason }: RunRecord, isReady: boolean): boolean {
  return reason?.code === needFailed || (reason?.code === needMissing && !isReady);
}

/**
 * Where a run stands for the experiment that asks for it: one that waits for a held run is held itself, and one whose
 * result may come back by itself is not lost yet.
 *
 * @param standingOf of the runs that it needs
 */
export function standingOf(
  run: Pick<RunRecord, "state" | "reason">,
  needed: readonly { state: RunRecord["state"]; isValid: boolean }[],
): RunRecord["state"] {
  const isOpen = run.state === "pending" || (run.state === "invalid" && run.reason?.code === needInvalid);
  if (!isOpen || needed.every(({ isValid }) => isValid)) return run.state;
  if (needed.some(({ state }) => isDead(state))) return run.state;
  return needed.some(({ state }) => state === "held") ? "held" : "pending";
}

/** Ends from which only a person, or what they do, brings a run back. */
export const isDead = (state: RunRecord["state"]): boolean =>
  state === "failed" || state === "cancelled" || state === "invalid";

function wants({ folder, run }: NeededRun): Reason {
  return { code: needFailed, message: `${named(folder, run)}, which is ${stateText(run)}` };
}

function restsOn({ folder, run, valid }: NeededRun): Reason {
  const what =
    valid === null ? `whose result does not count any more: it is ${stateText(run)}` : "which has another result now";
  return { code: needInvalid, message: `${named(folder, run)}, ${what}` };
}

const named = (folder: string, run: NeededRun["run"]): string => `It needs ${folder} (run ${shortId(run.id)})`;

const stateText = ({ state, reason }: NeededRun["run"]): string =>
  reason === null || state === "pending" || state === "active" ? state : `${state}: ${reason.message}`;
