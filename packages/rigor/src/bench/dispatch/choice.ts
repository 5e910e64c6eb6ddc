import { place, type PlacementHost } from "../../compute/placement/placement.ts";
import type { HostCapacity } from "../../compute/placement/resources.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import type { AttemptRecord, ExperimentRecord } from "../../domain/records.ts";
import { FreeRoom, type RepositoryHolding } from "../lab/free-room.ts";

/** A compute that an experiment's runs may start on now. */
export interface Option {
  /** As `rigor.yaml` of the experiment's repository names it. */
  name: string;
  /** With the limits that stand there now. */
  configuration: Compute;
  /** Id of the compute. */
  id: string;
  machine: string;
  /** What the machine has; null for a cluster, whose scheduler finds the place. */
  capacity: HostCapacity | null;
}

/** A run that will be started, with what it will hold. */
export interface Candidate {
  runId: string;
  experiment: ExperimentRecord;
  lease: AttemptRecord["lease"];
  option: Option;
}

/** An experiment with runs that may start, in its order. */
export interface WaitingRuns {
  experiment: ExperimentRecord;
  runIds: readonly string[];
  /** Bytes of a card that runs of the same cell used at most, by run. */
  learnt: ReadonlyMap<string, number>;
  /** Attempts that it has under way. */
  active: number;
  /** Id of the compute of a run's last try, for runs that may go on from its checkpoints. */
  tried?: ReadonlyMap<string, string>;
  /** In order of preference. */
  options: readonly Option[];
  /** Whether these are all computes that it names: only then can a run be too large for all of them. */
  complete: boolean;
}

interface Choice {
  chosen: Candidate[];
  impossible: { experiment: ExperimentRecord; reason: string }[];
}

/** What an attempt holds, and where. */
export interface Holding extends RepositoryHolding {
  machine: string;
  compute_id: string;
}

/**
 * Which runs start now, and where, fairly over the experiments. Together they stay inside each machine, those of each
 * repository inside what its `rigor.yaml` allows, and those of a cluster below its `max_jobs`. A run that does not fit
 * anywhere now keeps what it is short of free on the compute it prefers, so that later and smaller ones cannot starve
 * it.
 */
export function chooseRuns(held: readonly Holding[], waiting: readonly WaitingRuns[]): Choice {
  const choice: Choice = { chosen: [], impossible: [] };
  const places = new Places(held);
  const settled = new Set<string>();
  for (const { runId, waits } of inFairOrder(waiting)) {
    const { experiment, complete } = waits;
    if (settled.has(experiment.id)) continue;
    const options = nearestFirst(waits.options, waits.tried?.get(runId));
    const outcomes: Outcome[] = [];
    for (const option of options) {
      const outcome = places.try(option, waits, runId);
      outcomes.push(outcome);
      if (outcome.lease === undefined) continue;
      choice.chosen.push({ runId, experiment, lease: outcome.lease, option });
      break;
    }
    if (outcomes.at(-1)?.lease !== undefined) continue;
    // Runs of one experiment need about the same: where one does not fit, those after it wait with it.
    settled.add(experiment.id);
    const possible = options.find((_, index) => outcomes[index]?.impossible === undefined);
    const [reason] = outcomes.flatMap(({ impossible }) => impossible ?? []);
    if (possible !== undefined) places.reserve(possible, experiment);
    else if (complete && reason !== undefined) choice.impossible.push({ experiment, reason });
  }
  return choice;
}

/** A run goes on from its checkpoints at once where they are; elsewhere they have to be copied first. */
function nearestFirst(options: readonly Option[], tried: string | undefined): readonly Option[] {
  const near = options.find(({ id }) => id === tried);
  return near === undefined ? options : [near, ...options.filter((option) => option !== near)];
}

/** Whether a run fits a compute now, later, or never. */
interface Outcome {
  lease?: AttemptRecord["lease"];
  impossible?: string;
}

/** What is free of every compute while runs are chosen. */
class Places {
  readonly #held: Holding[];
  readonly #rooms = new Map<string, FreeRoom>();

  constructor(held: readonly Holding[]) {
    this.#held = [...held];
  }

  /** Takes what the run needs, if that is free. */
  try(option: Option, { experiment, learnt }: WaitingRuns, attempt: string): Outcome {
    const { cpus, memory, gpus, gpu_memory } = experiment.definition.resources;
    const learnt_gpu_memory = learnt.get(attempt) ?? null;
    const request = { attempt, cpus, memory: memory ?? 0, gpus, gpu_memory, learnt_gpu_memory };
    const { repository } = experiment.source;
    const { machine, id: compute_id, capacity } = option;
    if (capacity === null) {
      if (this.#jobsOf(option) >= jobLimit(option)) return {};
      const lease = { cpus, memory: request.memory, gpus: [] };
      this.#held.push({ ...lease, attempt, repository, machine, compute_id });
      return { lease };
    }
    const limit = limitedHost(capacity, option.configuration);
    const room = this.#room(option, capacity);
    const { placed, impossible } = place(limit, room.heldFor(repository, limit), [request]);
    const [lease] = placed;
    if (lease === undefined) return impossible[0] === undefined ? {} : { impossible: impossible[0].reason };
    room.take({ ...lease, repository });
    this.#held.push({ ...lease, repository, machine, compute_id });
    return { lease: { cpus, memory: request.memory, gpus: [...lease.gpus] } };
  }

  reserve(option: Option, experiment: ExperimentRecord): void {
    if (option.capacity === null) return;
    const { cpus, memory, gpus } = experiment.definition.resources;
    const limit = limitedHost(option.capacity, option.configuration);
    this.#room(option, option.capacity).reserve(
      { cpus, memory: memory ?? 0, gpus },
      experiment.source.repository,
      limit,
    );
  }

  #jobsOf({ id }: Option): number {
    return this.#held.filter((one) => one.compute_id === id).length;
  }

  #room({ machine }: Option, capacity: HostCapacity): FreeRoom {
    const known = this.#rooms.get(machine);
    if (known !== undefined) return known;
    // No two cards in the world have one identity: one machine under two names is caught by its cards.
    const held = this.#held.map((one) => (one.machine === machine ? one : { ...one, cpus: 0, memory: 0 }));
    const room = new FreeRoom(capacity, held);
    this.#rooms.set(machine, room);
    return room;
  }
}

function jobLimit({ configuration }: Option): number {
  return "max_jobs" in configuration ? configuration.max_jobs : Number.POSITIVE_INFINITY;
}

/** The machine as an experiment may use it: what is there, bounded by its compute in `rigor.yaml`. */
export function limitedHost(capacity: HostCapacity, compute: Compute): PlacementHost {
  if (!("gpus" in compute)) return capacity;
  const { cpus, memory, gpus } = compute;
  return {
    cpus: cpus === "auto" ? capacity.cpus : cpus,
    memory_total: memory === "auto" ? capacity.memory_total : memory,
    gpus: allowedGpus(capacity, gpus),
  };
}

function allowedGpus(capacity: HostCapacity, allowed: "auto" | number | readonly number[]): PlacementHost["gpus"] {
  if (allowed === "auto") return capacity.gpus;
  if (typeof allowed === "number") return capacity.gpus.slice(0, allowed);
  return capacity.gpus.filter((gpu) => allowed.includes(gpu.index));
}

/**
 * One run after another, each from the experiment that has the fewest under way, so that none starves the others.
 * Among equals the one with shorter runs comes first, then the older one. A run that several experiments ask for
 * comes once.
 */
function inFairOrder(waiting: readonly WaitingRuns[]): { runId: string; waits: WaitingRuns }[] {
  const order: { runId: string; waits: WaitingRuns }[] = [];
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
    order.push({ runId, waits: fewest });
    fewest.active += 1;
  }
}

const limitOf = ({ experiment }: WaitingRuns): number =>
  experiment.definition.resources.time ?? Number.MAX_SAFE_INTEGER;
