import type { HeldResources, PlacementHost } from "../../compute/placement/placement.ts";
import type { HostCapacity } from "../../compute/placement/resources.ts";

/** What an attempt holds, and for which repository. */
export interface RepositoryHolding extends HeldResources {
  repository: string;
}

interface Amount {
  cpus: number;
  memory: number;
}

/** What is free of a machine, and of each repository's part of it, while runs are chosen. */
export class FreeRoom {
  readonly #capacity: HostCapacity;
  readonly #held: RepositoryHolding[];
  /** Kept free for runs that wait, of the machine and of each repository's part. */
  readonly #reserved = { cpus: false, memory: false, gpus: new Set<string>() };
  readonly #reservedOf = new Map<string, { cpus: boolean; memory: boolean }>();

  constructor(capacity: HostCapacity, held: readonly RepositoryHolding[]) {
    this.#capacity = capacity;
    this.#held = [...held];
  }

  take(holding: RepositoryHolding): void {
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

const sumOf = (held: readonly RepositoryHolding[], what: keyof Amount): number =>
  held.reduce((sum, one) => sum + one[what], 0);
