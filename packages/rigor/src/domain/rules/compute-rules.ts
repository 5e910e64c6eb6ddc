import { contentHash } from "../canonical.ts";
import type { Compute } from "../files/compute-schema.ts";
import type { ComputeRecord } from "../records.ts";

/**
 * The machine or cluster that a compute stands for, such as `local`, `ssh:lab1` or `slurm:login`. What runs hold of it
 * is counted together, whatever `rigor.yaml` names it in.
 */
export function machineOf(compute: Compute): string {
  switch (compute.kind) {
    case "local":
      return "local";
    case "ssh":
      return `ssh:${compute.host}`;
    default:
      return `${compute.kind}:${compute.via?.ssh ?? "here"}`;
  }
}

/** How much of a compute runs may use may change while runs are under way; all else is how it is reached and used. */
const limits = new Set(["cpus", "memory", "gpus", "max_jobs", "calls_per_minute"]);

/** Identifies a compute by its machine and by how that is reached and used. */
export function computeId(compute: Compute): string {
  if (compute.kind === "local") return "local";
  const reached = Object.entries(compute).filter(([name]) => !limits.has(name));
  return `${machineOf(compute)}#${contentHash(Object.fromEntries(reached)).slice(0, 8)}`;
}

/**
 * Whether only a daemon on the machine itself can use a compute: where several daemons share a lab, each has its own.
 */
export function isBoundToMachine(compute: Compute): boolean {
  return compute.kind === "local" || ("via" in compute && compute.via === null);
}

/**
 * Names a compute among those of all members of a lab: what is bound to a machine is named with the member that is there.
 *
 * @param member null for a lab that has only one
 */
export function sharedComputeId(compute: Compute, member: string | null): string {
  const id = computeId(compute);
  return member === null || !isBoundToMachine(compute) ? id : id.replace(/(?=#|$)/, `@${member}`);
}

/** The machine or cluster that a compute of this id is on: what one daemon drives at a time. */
export const machineOfId = (id: string): string => id.replace(/#.*$/, "");

/** The member that alone can drive a compute of this id; null where any may that reaches it. */
export function memberOfId(id: string): string | null {
  return /^(?:local|[a-z]+:here)@([^#]+)/.exec(id)?.[1] ?? null;
}

/** Milliseconds for which a check proves that a compute can be used, and after which one that failed is repeated. */
const proofMs = 24 * 3_600_000;
const recheckMs = 10 * 60_000;

type Checked = Pick<ComputeRecord, "state" | "until" | "checked_at" | "problems">;

const unchecked: Checked = { state: "available", until: null, checked_at: null, problems: [] };

/** Whether a compute was tried lately and found good. @param now epoch milliseconds */
export function isProven(record: Checked | null, now: number): boolean {
  const { checked_at, problems } = record ?? unchecked;
  return checked_at !== null && problems.length === 0 && now - Date.parse(checked_at) < proofMs;
}

/** Milliseconds before the first, second, ... further try after tries in a row that came to no conclusion. */
const undecidedPausesMs = [5_000, 15_000, 45_000];

/**
 * When something is tried again that came to no conclusion: a check whose job was lost says nothing of the compute, and a
 * build for which an index could not be reached nothing of the experiment.
 *
 * @param times tries in a row without a conclusion
 * @returns milliseconds; null where it is so often that it counts as a problem
 */
export const undecidedPause = (times: number): number | null => undecidedPausesMs[times - 1] ?? null;

/**
 * Whether a compute has to be tried now: it never was, or too long ago; something was wrong some time ago; or its rest is
 * over.
 *
 * @param isDoubted somebody says that what was found is no longer so
 * @param now epoch milliseconds
 */
export function needsCheck(record: Checked | null, isDoubted: boolean, now: number): boolean {
  const { state, until, checked_at, problems } = record ?? unchecked;
  if (state === "drained") return false;
  if (state === "available" && !isDoubted && isProven(record, now)) return false;
  const rested = until === null ? 0 : Date.parse(until);
  const hasFailed = checked_at !== null && problems.length > 0;
  const rechecked = hasFailed && !isDoubted ? Date.parse(checked_at) + recheckMs : 0;
  return now >= Math.max(rested, rechecked);
}
