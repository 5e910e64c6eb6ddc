import { contentHash } from "../canonical.ts";
import type { Compute } from "../files/compute-schema.ts";

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
