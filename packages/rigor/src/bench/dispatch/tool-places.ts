import type { Kysely } from "kysely";
import { place } from "../../compute/placement/placement.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Experiment } from "../../domain/experiment.ts";
import type { ToolJobRecord } from "../../domain/investigations/records.ts";
import { machineOfId } from "../../domain/rules/compute-rules.ts";
import type { Database } from "../../store/tables.ts";
import { FreeRoom } from "../lab/free-room.ts";
import type { Lane } from "../lab/lane.ts";
import { heldAnywhere } from "../records/attempt-queries.ts";
import { repositoriesOf } from "../records/experiment-queries.ts";
import { openToolJobs } from "../records/tool-job-queries.ts";
import { limitedHost, type Holding } from "./choice.ts";

export interface ToolServerNeed {
  lane: Lane;
  /** With the limits that stand in rigor.yaml now. */
  configuration: Compute;
  repository: string;
  resources: Experiment["resources"];
}

/** What tool servers hold of machines and clusters. */
export async function heldByTools(db: Kysely<Database>): Promise<Holding[]> {
  return (await openToolJobs(db)).map(({ id, repository, compute_id, lease }) => ({
    ...{ ...lease, attempt: id, repository, compute_id },
    machine: machineOfId(compute_id),
  }));
}

/**
 * Finds the place of a tool server among all that runs hold. To be asked in the transaction that writes it down, soon
 * after the machine was looked at.
 *
 * @returns what it will hold, or why it has to wait
 * @throws RigorError `not-possible` where it can never fit
 */
export async function placeTool(
  db: Kysely<Database>,
  { lane, configuration, repository, resources }: ToolServerNeed,
): Promise<ToolJobRecord["lease"] | string> {
  const { cpus, gpus, gpu_memory, memory } = resources;
  const held = [...(await heldByRuns(db)), ...(await heldByTools(db))];
  if (!lane.isPlaced) {
    const jobs = held.filter((one) => one.compute_id === lane.id).length;
    const limit = "max_jobs" in configuration ? configuration.max_jobs : Number.POSITIVE_INFINITY;
    return jobs < limit ? { cpus, memory: memory ?? 0, gpus: [] } : `${limit} jobs are there (max_jobs in rigor.yaml)`;
  }
  const { capacity } = lane;
  if (capacity === null) return "nothing is known of it yet";
  const limit = limitedHost(capacity, configuration);
  const room = new FreeRoom(
    capacity,
    held.map((one) => (one.machine === lane.machine ? one : { ...one, cpus: 0, memory: 0 })),
  );
  const request = { attempt: "", cpus, memory: memory ?? 0, gpus, gpu_memory, learnt_gpu_memory: null };
  const { placed, impossible } = place(limit, room.heldFor(repository, limit), [request]);
  const [never] = impossible;
  if (never !== undefined) {
    throw new RigorError("not-possible", `It can never start on ${capacity.host}: it ${never.reason}.`, {
      next: "Lower its `resources` in the file of tool servers, or raise what `compute` in rigor.yaml allows.",
    });
  }
  const [lease] = placed;
  return lease === undefined
    ? "what it needs is in use there"
    : { cpus: lease.cpus, memory: lease.memory, gpus: [...lease.gpus] };
}

async function heldByRuns(db: Kysely<Database>): Promise<Holding[]> {
  const attempts = await heldAnywhere(db);
  const repositories = await repositoriesOf(db, [...new Set(attempts.map((one) => one.experiment_id))]);
  return attempts.map(({ id, compute_id, experiment_id, lease }) => ({
    ...{ ...lease, attempt: id, compute_id, machine: machineOfId(compute_id) },
    repository: repositories.get(experiment_id) ?? "",
  }));
}
