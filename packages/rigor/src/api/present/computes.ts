import type { Dispatcher } from "../../bench/dispatcher.ts";
import type { Lab } from "../../bench/lab.ts";
import type { Lane } from "../../bench/lane.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import type { ComputeView, HostView } from "../contract/views.ts";

interface Sources {
  lab: Lab;
  dispatcher: Dispatcher;
}

/** The machines that were looked at. A cluster is no machine: its scheduler knows what is free. */
export function presentHosts(sources: Sources): HostView[] {
  return sources.lab.lanes.all().flatMap((lane) => presentHost(sources, lane) ?? []);
}

function presentHost({ dispatcher }: Sources, lane: Lane): HostView | null {
  const { capacity, configuration } = lane;
  if (capacity === null) return null;
  const held = dispatcher.leases().filter((one) => one.compute_id === lane.id);
  const holders = new Map(held.flatMap(({ id, lease }) => lease.gpus.map((gpu) => [gpu, id])));
  return {
    name: capacity.host,
    kind: configuration.kind,
    cpus: capacity.cpus,
    cpus_used: held.reduce((sum, { lease }) => sum + lease.cpus, 0),
    memory: capacity.memory_total,
    memory_used: held.reduce((sum, { lease }) => sum + lease.memory, 0),
    gpus: capacity.gpus.map((gpu) => ({
      id: gpu.uuid,
      index: gpu.index,
      name: gpu.name,
      memory: gpu.memory_total,
      memory_free: gpu.memory_total - gpu.memory_used,
      held_by: holders.get(gpu.uuid) ?? null,
    })),
  };
}

/** A compute by the name and with the limits of `rigor.yaml`. */
export function presentCompute(sources: Sources, name: string, configuration: Compute, lane: Lane): ComputeView {
  const { record, trouble } = lane;
  return {
    name,
    id: lane.id,
    kind: configuration.kind,
    host: hostOf(configuration) ?? "this machine",
    state: record?.state ?? "available",
    reason: record?.reason ?? null,
    until: record?.until ?? null,
    trouble: trouble === null ? null : { message: trouble.message, next: trouble.next, since: trouble.since },
    jobs: sources.dispatcher.leases().filter((one) => one.compute_id === lane.id).length,
    max_jobs: "max_jobs" in configuration ? configuration.max_jobs : null,
    capacity: presentHost(sources, lane),
    checked_at: record?.checked_at ?? null,
    problems: record?.problems ?? [],
  };
}

/** The machine that is talked to, in the user's words; null for this one. */
export function hostOf(compute: Compute): string | null {
  if (compute.kind === "ssh") return compute.host;
  return "via" in compute && compute.via !== null ? compute.via.ssh : null;
}
