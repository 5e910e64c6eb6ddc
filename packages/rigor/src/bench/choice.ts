import { place, type HeldResources, type PlacementHost } from "../compute/placement.ts";
import type { HostCapacity } from "../compute/resources.ts";
import type { LocalCompute } from "../domain/files/compute-schema.ts";
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

/** What an attempt holds, and for which repository. */
export interface Holding extends HeldResources {
  repository: string;
}

/**
 * Which runs start now, fairly over the experiments. Together they stay inside the machine, and those of each
 * repository inside what its `rigor.yaml` allows. A run that does not fit now keeps what it is short of free, so that
 * later and smaller ones cannot starve it.
 */
export function chooseRuns(capacity: HostCapacity, held: readonly Holding[], waiting: readonly WaitingRuns[]): Choice {
  const choice: Choice = { chosen: [], impossible: [] };
  const machine = new Machine(capacity, held);
  const limits = new Map(waiting.map(({ experiment }) => [experiment.id, limitedHost(capacity, experiment)]));
  const settled = new Set<string>();
  for (const { runId, experiment } of inFairOrder(waiting)) {
    const limit = limits.get(experiment.id);
    if (limit === undefined || settled.has(experiment.id)) continue;
    const { cpus, memory, gpus, gpu_memory } = experiment.definition.resources;
    const request = { attempt: runId, cpus, memory: memory ?? 0, gpus, gpu_memory };
    const { repository } = experiment.source;
    const { placed, impossible } = place(limit, machine.heldFor(repository, limit), [request]);
    const [lease] = placed;
    if (lease !== undefined) {
      machine.take({ ...lease, repository });
      const { name: compute } = computeOf(experiment);
      choice.chosen.push({
        runId,
        experiment,
        lease: { cpus, memory: request.memory, gpus: [...lease.gpus] },
        compute,
      });
      continue;
    }
    // Runs of one experiment need the same: where one does not fit, none of those after it does.
    settled.add(experiment.id);
    const [refused] = impossible;
    if (refused === undefined) machine.reserve(request, repository, limit);
    else choice.impossible.push({ experiment, reason: refused.reason });
  }
  return choice;
}

interface Amount {
  cpus: number;
  memory: number;
}

/** What is free of the machine, and of each repository's part of it, while runs are chosen. */
class Machine {
  readonly #capacity: HostCapacity;
  readonly #held: Holding[];
  /** Kept free for runs that wait, of the machine and of each repository's part. */
  readonly #reserved = { cpus: false, memory: false, gpus: new Set<string>() };
  readonly #reservedOf = new Map<string, { cpus: boolean; memory: boolean }>();

  constructor(capacity: HostCapacity, held: readonly Holding[]) {
    this.#capacity = capacity;
    this.#held = [...held];
  }

  take(holding: Holding): void {
    this.#held.push(holding);
  }

  /** What counts as held in a repository's part: the rest of it that is free is free on the machine too. */
  heldFor(repository: string, limit: PlacementHost): HeldResources[] {
    const own = this.#freeOfPart(repository, limit);
    const all = this.#freeOfMachine(limit);
    const kept = this.#reservedOf.get(repository);
    const left = {
      cpus: kept?.cpus === true || this.#reserved.cpus ? 0 : Math.max(0, Math.min(own.cpus, all.cpus)),
      memory: kept?.memory === true || this.#reserved.memory ? 0 : Math.max(0, Math.min(own.memory, all.memory)),
    };
    const gpus = [...this.#held.flatMap((one) => one.gpus), ...this.#reserved.gpus];
    return [{ attempt: "", cpus: limit.cpus - left.cpus, memory: limit.memory_total - left.memory, gpus }];
  }

  /** Keeps free what a waiting run is short of. */
  reserve(request: Amount & { gpus: number }, repository: string, limit: PlacementHost): void {
    const own = this.#freeOfPart(repository, limit);
    const all = this.#freeOfMachine(limit);
    const kept = this.#reservedOf.get(repository) ?? { cpus: false, memory: false };
    this.#reservedOf.set(repository, {
      cpus: kept.cpus || request.cpus > own.cpus,
      memory: kept.memory || request.memory > own.memory,
    });
    const short = { cpus: request.cpus > all.cpus, memory: request.memory > all.memory };
    this.#reserved.cpus ||= short.cpus;
    this.#reserved.memory ||= short.memory;
    const shortOfGpus =
      request.cpus <= Math.min(own.cpus, all.cpus) && request.memory <= Math.min(own.memory, all.memory);
    if (request.gpus > 0 && shortOfGpus) for (const { uuid } of limit.gpus) this.#reserved.gpus.add(uuid);
  }

  #freeOfPart(repository: string, limit: PlacementHost): Amount {
    const own = this.#held.filter((one) => one.repository === repository);
    return { cpus: limit.cpus - sumOf(own, "cpus"), memory: limit.memory_total - sumOf(own, "memory") };
  }

  /** A `rigor.yaml` that allows more than the machine has means it. */
  #freeOfMachine(limit: PlacementHost): Amount {
    const cpus = Math.max(this.#capacity.cpus, limit.cpus);
    const memory = Math.max(this.#capacity.memory_total, limit.memory_total);
    return { cpus: cpus - sumOf(this.#held, "cpus"), memory: memory - sumOf(this.#held, "memory") };
  }
}

const sumOf = (held: readonly Holding[], what: keyof Amount): number => held.reduce((sum, one) => sum + one[what], 0);

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

/**
 * One run after another, each from the experiment that has the fewest under way, so that none starves the others.
 * Among equals the one with shorter runs comes first, then the older one. A run that several experiments ask for
 * comes once.
 */
function inFairOrder(waiting: readonly WaitingRuns[]): { runId: string; experiment: ExperimentRecord }[] {
  const order: { runId: string; experiment: ExperimentRecord }[] = [];
  const seen = new Set<string>();
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
    fewest.next += 1;
    if (seen.has(runId)) continue;
    seen.add(runId);
    order.push({ runId, experiment: fewest.experiment });
    fewest.active += 1;
  }
}

const limitOf = ({ experiment }: WaitingRuns): number =>
  experiment.definition.resources.time ?? Number.MAX_SAFE_INTEGER;
