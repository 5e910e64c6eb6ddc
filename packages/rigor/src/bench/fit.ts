import { place } from "../compute/placement.ts";
import type { HostCapacity } from "../compute/resources.ts";
import { RigorError } from "../domain/errors.ts";
import { limitedHost } from "./choice.ts";
import type { ResolvedExperiment } from "./resolve.ts";

/** Why no run of an experiment can ever start on this machine, or null. */
export function whyImpossible(
  capacity: HostCapacity,
  experiment: Pick<ResolvedExperiment, "definition" | "source">,
): string | null {
  const { cpus, memory, gpus, gpu_memory } = experiment.definition.resources;
  const request = { attempt: "", cpus, memory: memory ?? 0, gpus, gpu_memory };
  const { impossible } = place(limitedHost(capacity, experiment), [], [request]);
  return impossible[0]?.reason ?? null;
}

/** @throws RigorError `not-possible` before anything is recorded. */
export function refuseImpossible(capacity: HostCapacity, experiment: ResolvedExperiment): void {
  const reason = whyImpossible(capacity, experiment);
  if (reason === null) return;
  throw new RigorError(
    "not-possible",
    `a run of ${experiment.definition.name} can never start on ${capacity.host}: it ${reason}`,
    {
      next: "Lower `resources` in the experiment file, or raise what `compute` in rigor.yaml allows.",
    },
  );
}

/** @throws RigorError `not-possible` for a variable that runs are to get and the daemon does not have. */
export function refuseMissingVariables({ definition }: Pick<ResolvedExperiment, "definition">): void {
  const missing = definition.environment.pass.filter((name) => process.env[name] === undefined);
  if (missing.length === 0) return;
  throw new RigorError("not-possible", `environment.pass names ${missing.join(", ")}, which the daemon does not have`, {
    next: "Set it in this shell, then `rigor down`: the next command starts a daemon that has it. Jobs go on.",
  });
}
