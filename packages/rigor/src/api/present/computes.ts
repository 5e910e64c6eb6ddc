import type { Dispatcher, Lease } from "../../bench/dispatch/dispatcher.ts";
import type { Lab } from "../../bench/lab/lab.ts";
import { lackingRoom } from "../../bench/dispatch/readiness.ts";
import { readSettings } from "../../bench/lab/settings.ts";
import type { Lane, Trouble } from "../../bench/lab/lane.ts";
import { isIdleCard } from "../../compute/placement/placement.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import type { ClosedCompute, ComputeView, HostView } from "../contract/views/computes.ts";

interface Sources {
  lab: Lab;
  dispatcher: Dispatcher;
}

/** The machines that were looked at. A cluster is no machine: its scheduler knows what is free. */
export async function presentHosts({ lab, dispatcher }: Sources): Promise<HostView[]> {
  const leases = await dispatcher.leases();
  return lab.lanes.all().flatMap((lane) => presentHost(leases, lane) ?? []);
}

/** Machines and clusters in use on which nothing starts now. */
export async function closedInUse({ lab, dispatcher }: Sources): Promise<ClosedCompute[]> {
  const used = new Set((await dispatcher.leases()).map((one) => one.compute_id));
  const inUse = lab.lanes.all().filter((lane) => lane.isWanted || used.has(lane.id));
  return inUse.flatMap((lane) => whyClosed(lane, placeOf(lane)) ?? []);
}

/** Those computes of an experiment on which nothing starts now. */
export function closedComputes(
  lab: Lab,
  { source, compute }: Pick<ExperimentRecord, "source" | "compute">,
): ClosedCompute[] {
  const known = readSettings(source.repository).compute;
  return compute.flatMap((name) => {
    const configuration = known[name];
    const lane = configuration === undefined ? undefined : lab.lanes.find(configuration);
    return lane === undefined ? [] : (whyClosed(lane, name) ?? []);
  });
}

/** What a run of an experiment waits for that finds none of its computes open; empty where one of them is. */
export function allClosed(lab: Lab, experiment: ExperimentRecord): ClosedCompute[] {
  if (experiment.state !== "running") return [];
  const closed = closedComputes(lab, experiment);
  return closed.length < experiment.compute.length ? [] : closed;
}

/** What a machine is called for all repositories: `lab1 (ssh)`. */
function placeOf({ configuration }: Lane): string {
  const host = hostOf(configuration);
  return host === null && configuration.kind === "local"
    ? "this machine"
    : `${host ?? "this machine"} (${configuration.kind})`;
}

/** Why nothing starts on a compute now; null where something may. @param compute what it is called */
export function whyClosed(lane: Lane, compute: string): ClosedCompute | null {
  const { record, trouble } = lane;
  const nothing = { compute, message: null, next: null, since: null, until: null };
  if (trouble !== null) {
    const { message, next, since } = trouble;
    if (!isSilent(trouble)) return { ...nothing, state: "failing", message, next, since };
    return { ...nothing, state: "no-answer", message, next: [next, lostNext].filter(Boolean).join(" "), since };
  }
  if (record !== null && record.state !== "available") {
    const { state, reason, until } = record;
    return { ...nothing, state, message: reason, next: `To use it again: rigor compute use ${compute}`, until };
  }
  const lacking = lackingOn(lane);
  if (lacking !== null) return { ...nothing, state: "full", message: lacking, next: roomNext };
  return lane.isProven(Date.now()) || (record?.problems ?? []).length > 0 ? null : { ...nothing, state: "tried" };
}

const lostNext =
  "If it is lost for good: rigor cancel RUN --lost ends what is there, and rigor rerun RUN starts it elsewhere.";
const roomNext = "Make room there, or set `workdir` of this compute to another file system.";

/** What the disk of another machine lacks for runs. Of this one, each experiment that waits tells. */
function lackingOn({ capacity, isHere }: Lane): string | null {
  return capacity === null || isHere ? null : lackingRoom(capacity);
}

/** Whether a compute gave no answer, rather than one that tells of something wrong. */
export const isSilent = ({ code }: Trouble): boolean => code === "unreachable";

function presentHost(leases: readonly Lease[], lane: Lane): HostView | null {
  const { capacity, configuration } = lane;
  if (capacity === null) return null;
  const held = leases.filter((one) => one.compute_id === lane.id);
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
      is_idle: isIdleCard(gpu),
    })),
  };
}

/** A compute by the name and with the limits of `rigor.yaml`. */
export async function presentCompute(
  { dispatcher }: Sources,
  name: string,
  configuration: Compute,
  lane: Lane,
): Promise<ComputeView> {
  const { record, trouble } = lane;
  const leases = await dispatcher.leases();
  return {
    name,
    id: lane.id,
    kind: configuration.kind,
    host: hostOf(configuration) ?? "this machine",
    state: record?.state ?? "available",
    reason: record?.reason ?? null,
    until: record?.until ?? null,
    trouble: trouble === null ? null : presentTrouble(trouble),
    lacking: lackingOn(lane),
    jobs: leases.filter((one) => one.compute_id === lane.id).length,
    max_jobs: "max_jobs" in configuration ? configuration.max_jobs : null,
    calls: callsOf(lane),
    limits: limitsOf(configuration),
    capacity: presentHost(leases, lane),
    checked_at: record?.checked_at ?? null,
    problems: record?.problems ?? [],
  };
}

const presentTrouble = (trouble: Trouble): NonNullable<ComputeView["trouble"]> => {
  const { message, next, since } = trouble;
  return { message, next, since, is_silent: isSilent(trouble) };
};

function callsOf({ scheduler }: Lane): ComputeView["calls"] {
  if (scheduler === null) return null;
  const { per_minute, last_minute, jobs } = scheduler.calls();
  return { per_minute, last_minute, jobs };
}

function limitsOf(compute: Compute): ComputeView["limits"] {
  const known = (value: number | "auto"): number | null => (value === "auto" ? null : value);
  return "gpus" in compute
    ? { cpus: known(compute.cpus), memory: known(compute.memory) }
    : { cpus: null, memory: null };
}

/** The machine that is talked to, in the user's words; null for this one. */
export function hostOf(compute: Compute): string | null {
  if (compute.kind === "ssh") return compute.host;
  return "via" in compute && compute.via !== null ? compute.via.ssh : null;
}
