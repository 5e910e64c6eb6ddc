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

/**
 * Whether a compute has to be tried now: it never was, or too long ago; something was wrong some time ago; or its rest is
 * over.
 *
 * @param isDoubted somebody says that what was found is no longer so
 * @param now epoch milliseconds
 */
export function needsCheck(record: Checked | null, isDoubted: boolean, now: number): boolean {
  const { state, until, checked_at } = record ?? unchecked;
  if (state === "drained") return false;
  if (state === "available" && !isDoubted && isProven(record, now)) return false;
  const rested = until === null ? 0 : Date.parse(until);
  const rechecked = checked_at === null || isDoubted ? 0 : Date.parse(checked_at) + recheckMs;
  return now >= Math.max(rested, rechecked);
}
