import * as bench from "../bench/experiments/actions.ts";
import type { ExperimentRecord } from "../domain/records.ts";
import type { ConductorParts } from "./parts.ts";

/**
 * Lets an experiment go on that does not: releases it, or runs again what failed.
 *
 * @throws RigorError `not-possible` where that is not enough, as when its budget is used up
 */
export async function resumeExperiment(
  { lab, dispatcher }: Pick<ConductorParts, "lab" | "dispatcher">,
  { id, state, hold }: Pick<ExperimentRecord, "id" | "state" | "hold">,
  reason: string,
): Promise<void> {
  if (hold?.code === "runs-failed" || hold?.code === "checks-failed" || state === "cancelled") {
    await bench.rerunFailed(lab, "conductor", id);
  } else if (state === "held") {
    await bench.releaseExperiment(lab, "conductor", id, { message: reason, without_failed: false });
  }
  dispatcher.wake();
}
