import { place, type HeldResources, type PlacementHost } from "../compute/placement.ts";
import type { HostCapacity } from "../compute/resources.ts";
import { canonicalJson } from "../domain/canonical.ts";
import type { LocalCompute } from "../domain/files/settings.ts";
import type { AttemptRecord, ExperimentRecord } from "../domain/records.ts";
import { findCompute, readSettings } from "./settings.ts";

/** A run that will be started, with what it will hold. */
export interface Candidate {
  runId: string;
  experiment: ExperimentRecord;
  lease: AttemptRecord["lease"];
  compute: string;
}

/** An experiment with runs that may start, in its order. */
export interface WaitingRuns {
  experiment: ExperimentRecord;
  runIds: readonly string[];
  /** Attempts that it has under way. */
  active: number;
}

interface Choice {
  chosen: Candidate[];
  impossible: { experiment: ExperimentRecord; reason: string }[];
}

/** Which runs start now, fairly over the experiments and inside what `rigor.yaml` allows of the machine. */
export function chooseRuns(
  capacity: HostCapacity,
  held: readonly HeldResources[],
  waiting: readonly WaitingRuns[],
): Choice {
  const choice: Choice = { chosen: [], impossible: [] };
  const groups = new Map<string, { host: PlacementHost; waiting: WaitingRuns[] }>();
  for (const one of waiting) {
    const host = limitedHost(capacity, one.experiment);
    const key = canonicalJson(host);
    const group = groups.get(key) ?? { host, waiting: [] };
    group.waiting.push(one);
    groups.set(key, group);
  }
  for (const { host, waiting: group } of groups.values()) choosePart(choice, host, held, group);
  return choice;
}

/** The machine as an experiment may use it: what is there, bounded by its compute in `rigor.yaml`. */
export function limitedHost(
  capacity: HostCapacity,
  experiment: Pick<ExperimentRecord, "source" | "definition">,
): PlacementHost {
  const { cpus, memory, gpus } = computeOf(experiment).compute;
  return {
    cpus: cpus === "auto" ? capacity.cpus : cpus,
    memory_total: memory === "auto" ? capacity.memory_total : memory,
    gpus: allowedGpus(capacity, gpus),
  };
}

function computeOf(experiment: Pick<ExperimentRecord, "source" | "definition">): {
  name: string;
  compute: LocalCompute;
} {
  const name = experiment.definition.compute[0] ?? "local";
  return { name, compute: findCompute(readSettings(experiment.source.repository), name) };
}

function allowedGpus(capacity: HostCapacity, allowed: LocalCompute["gpus"]): PlacementHost["gpus"] {
  if (allowed === "auto") return capacity.gpus;
  if (typeof allowed === "number") return capacity.gpus.slice(0, allowed);
  return capacity.gpus.filter((gpu) => allowed.includes(gpu.index));
}

function choosePart(
  choice: Choice,
  host: PlacementHost,
  held: readonly HeldResources[],
  waiting: readonly WaitingRuns[],
): void {
  const owners = new Map<string, ExperimentRecord>();
  const requests = inFairOrder(waiting).map(({ runId, experiment }) => {
    const { cpus, memory, gpus, gpu_memory } = experiment.definition.resources;
    owners.set(runId, experiment);
    return { attempt: runId, cpus, memory: memory ?? 0, gpus, gpu_memory };
  });
  const taken = choice.chosen.map(({ runId, lease }) => ({ attempt: runId, ...lease }));
  const { placed, impossible } = place(host, [...held, ...taken], requests);
  for (const { attempt: runId, cpus, memory, gpus } of placed) {
    const experiment = owners.get(runId);
    if (experiment === undefined) throw new Error(`run ${runId} was placed and never asked for`);
    const { name } = computeOf(experiment);
    choice.chosen.push({ runId, experiment, lease: { cpus, memory, gpus: [...gpus] }, compute: name });
  }
  const reasons = new Map(impossible.map(({ attempt, reason }) => [owners.get(attempt), reason]));
  for (const [experiment, reason] of reasons)
    if (experiment !== undefined) choice.impossible.push({ experiment, reason });
}

/**
 * One run after another, each from the experiment that has the fewest under way, so that none starves the others.
 * Among equals the one with shorter runs comes first, then the older one.
 */
function inFairOrder(waiting: readonly WaitingRuns[]): { runId: string; experiment: ExperimentRecord }[] {
  const order: { runId: string; experiment: ExperimentRecord }[] = [];
  const left = waiting
    .toSorted((a, b) => limitOf(a) - limitOf(b) || (a.experiment.created_at < b.experiment.created_at ? -1 : 1))
    .map((one) => ({ ...one, next: 0 }));
  for (;;) {
    let fewest: (typeof left)[number] | undefined;
    for (const one of left) {
      if (one.next >= one.runIds.length) continue;
      if (fewest === undefined || one.active < fewest.active) fewest = one;
    }
    const runId = fewest?.runIds[fewest.next];
    if (fewest === undefined || runId === undefined) return order;
    order.push({ runId, experiment: fewest.experiment });
    fewest.next += 1;
    fewest.active += 1;
  }
}

const limitOf = ({ experiment }: WaitingRuns): number =>
  experiment.definition.resources.time ?? Number.MAX_SAFE_INTEGER;
