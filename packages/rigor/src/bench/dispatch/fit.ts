import { place, type Placement } from "../../compute/placement/placement.ts";
import type { HostCapacity } from "../../compute/placement/resources.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import { limitedHost } from "./choice.ts";
import type { Lanes } from "../lab/lanes.ts";
import type { ResolvedExperiment } from "../experiments/resolve.ts";
import { computesOf } from "../lab/settings.ts";

/** Why no run of an experiment can ever start on a machine, or null. */
export function whyImpossible(
  capacity: HostCapacity,
  compute: Compute,
  experiment: Pick<ResolvedExperiment, "definition">,
): string | null {
  return placeAlone(capacity, compute, experiment, null).impossible[0]?.reason ?? null;
}

/**
 * Whether the cards of a machine have too little free memory for a run, whoever uses it: although nothing were leased, it
 * could not start now.
 *
 * @param learnt bytes of a card that runs of its cell were seen to use; null where nothing was seen
 */
export function lacksCards(
  capacity: HostCapacity,
  compute: Compute,
  experiment: Pick<ResolvedExperiment, "definition">,
  learnt: number | null,
): boolean {
  return placeAlone(capacity, compute, experiment, learnt).waiting.length > 0;
}

function placeAlone(
  capacity: HostCapacity,
  compute: Compute,
  { definition }: Pick<ResolvedExperiment, "definition">,
  learnt_gpu_memory: number | null,
): Placement {
  const { cpus, memory, gpus, gpu_memory } = definition.resources;
  const request = { attempt: "", cpus, memory: memory ?? 0, gpus, gpu_memory, learnt_gpu_memory };
  return place(limitedHost(capacity, compute), [], [request]);
}

/**
 * Refuses what can start on no compute that it names, as far as that is known without asking another machine.
 *
 * @throws RigorError `not-possible` before anything is recorded
 */
export function refuseImpossible(lanes: Lanes, here: HostCapacity, experiment: ResolvedExperiment): void {
  const { definition, source } = experiment;
  const reasons = computesOf(source.repository, definition.compute).map(({ configuration }) => {
    const capacity = configuration.kind === "local" ? here : (lanes.find(configuration)?.capacity ?? null);
    const reason = capacity === null ? null : whyImpossible(capacity, configuration, experiment);
    return reason === null ? null : `can never start on ${capacity?.host}: it ${reason}`;
  });
  if (reasons.length === 0 || reasons.includes(null)) return;
  throw new RigorError("not-possible", `A run of ${definition.name} ${reasons.join("; and it ")}.`, {
    next: "Lower `resources` in the experiment file, or raise what `compute` in rigor.yaml allows.",
  });
}

/** @throws RigorError `not-possible` for a variable that runs are to get and the daemon does not have. */
export function refuseMissingVariables({ definition }: Pick<ResolvedExperiment, "definition">): void {
  const missing = definition.environment.pass.filter((name) => process.env[name] === undefined);
  if (missing.length === 0) return;
  throw new RigorError(
    "not-possible",
    `environment.pass names ${missing.join(", ")}, which the daemon does not have.`,
    {
      next: "Set it in this shell, then `rigor down`: the next command starts a daemon that has it. Jobs go on.",
    },
  );
}
