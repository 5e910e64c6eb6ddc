import { bytes, integer } from "../../domain/format/numbers.ts";

/** What a job needs. Memory in bytes. */
export interface PlacementRequest {
  attempt: string;
  cpus: number;
  memory: number;
  gpus: number;
  /** Bytes on each GPU; null where nobody said. */
  gpu_memory: number | null;
  /** Bytes on a GPU that such jobs were seen to use at most; null where nothing was seen. */
  learnt_gpu_memory: number | null;
}

/** What an attempt holds until it ends. */
export interface HeldResources {
  attempt: string;
  cpus: number;
  memory: number;
  /** Identities of the GPUs. */
  gpus: readonly string[];
}

/** What a host has for jobs. Memory in bytes; `memory_used` of a GPU as measured, whoever uses it. */
export interface PlacementHost {
  cpus: number;
  memory_total: number;
  gpus: readonly { uuid: string; memory_total: number; memory_used: number }[];
}

export interface Placement {
  placed: HeldResources[];
  /** Fit this host, but not now. */
  waiting: string[];
  /** Can never fit this host. */
  impossible: { attempt: string; reason: string }[];
}

/** A job may need more GPU memory than it said. */
const gpuHeadroom = 1.2;

/** A GPU of which more is used is taken by somebody, when the job does not say what it needs. */
const idleShare = 0.1;

/** Whether nobody computes on a card, be it a lab or not. */
export const isIdleCard = ({
  memory_used: used,
  memory_total: total,
}: Pick<HostGpu, "memory_used" | "memory_total">): boolean => used <= idleShare * total;

/**
 * Decides which waiting jobs start now, in their order. A later job may start before an earlier one that does not
 * fit now, except on what the earlier one waits for: CPUs, memory or GPUs that are short for it are kept free, so that
 * small jobs cannot starve a large one.
 */
export function place(
  host: PlacementHost,
  held: readonly HeldResources[],
  requests: readonly PlacementRequest[],
): Placement {
  const result: Placement = { placed: [], waiting: [], impossible: [] };
  const free = freeOf(host, held);
  for (const asked of requests) {
    const request = applicable(host, asked);
    const reason = whyImpossible(host, request);
    if (reason !== null) {
      result.impossible.push({ attempt: request.attempt, reason });
      continue;
    }
    const gpus = free.gpus.filter((gpu) => hasRoom(gpu, request)).slice(0, request.gpus);
    const short = {
      cpus: request.cpus > free.cpus,
      memory: request.memory > free.memory,
      gpus: gpus.length < request.gpus,
    };
    const fits = !short.cpus && !short.memory && !short.gpus;
    if (fits) {
      result.placed.push({
        attempt: request.attempt,
        cpus: request.cpus,
        memory: request.memory,
        gpus: gpus.map((gpu) => gpu.uuid),
      });
      free.cpus -= request.cpus;
      free.memory -= request.memory;
      free.gpus = free.gpus.filter((gpu) => !gpus.includes(gpu));
    } else {
      result.waiting.push(request.attempt);
      if (short.cpus) free.cpus = 0;
      if (short.memory) free.memory = 0;
      if (short.gpus) free.gpus = [];
    }
  }
  return result;
}

type HostGpu = PlacementHost["gpus"][number];

function freeOf(host: PlacementHost, held: readonly HeldResources[]) {
  const taken = new Set(held.flatMap((one) => one.gpus));
  return {
    cpus: host.cpus - sum(held.map((one) => one.cpus)),
    memory: host.memory_total - sum(held.map((one) => one.memory)),
    gpus: host.gpus.filter((gpu) => !taken.has(gpu.uuid)),
  };
}

/** What was seen on larger cards than the host has is no need: some programs take a part of whatever there is. */
function applicable(host: PlacementHost, request: PlacementRequest): PlacementRequest {
  const learnt = request.learnt_gpu_memory ?? 0;
  const large = host.gpus.filter((gpu) => gpu.memory_total >= learnt).length;
  return large >= request.gpus ? request : { ...request, learnt_gpu_memory: null };
}

/** Whether the measured free memory is enough. The least used cards are not preferred: order is the host's. */
function hasRoom(gpu: HostGpu, { gpu_memory: declared, learnt_gpu_memory: learnt }: PlacementRequest): boolean {
  const free = gpu.memory_total - gpu.memory_used;
  const isIdle = isIdleCard(gpu);
  if (declared === null && learnt === null) return isIdle;
  if (declared !== null && free < gpuHeadroom * declared) return false;
  // A job that was seen to fill a card fits an idle one of that size.
  return learnt === null || free >= gpuHeadroom * learnt || (isIdle && gpu.memory_total >= learnt);
}

function whyImpossible(host: PlacementHost, request: PlacementRequest): string | null {
  if (request.cpus > host.cpus) return `needs ${request.cpus} CPUs; the host has ${host.cpus}`;
  if (request.memory > host.memory_total) {
    const [needed, present] = sizesApart(request.memory, host.memory_total);
    return `needs ${needed} of memory; the host has ${present}`;
  }
  const large = host.gpus.filter((gpu) => hasRoom({ ...gpu, memory_used: 0 }, request)).length;
  if (request.gpus > host.gpus.length) return `needs ${count(request.gpus)}; the host has ${host.gpus.length}`;
  if (request.gpus > large) {
    const declared = request.gpu_memory ?? 0;
    const needed = `${bytes(gpuHeadroom * declared)} (${gpuHeadroom} times gpu_memory, ${bytes(declared)})`;
    return `needs ${count(request.gpus)} of ${needed}; the host has ${large} of that size`;
  }
  return null;
}

function count(gpus: number): string {
  return `${gpus} ${gpus === 1 ? "GPU" : "GPUs"}`;
}

/** Two sizes that differ, also where they are the same when rounded. */
function sizesApart(one: number, other: number): string[] {
  const rounded = [bytes(one), bytes(other)];
  return rounded[0] === rounded[1] ? [one, other].map((size) => `${integer(size)} B`) : rounded;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
