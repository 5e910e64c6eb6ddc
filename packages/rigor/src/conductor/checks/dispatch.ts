import { resolveCommitted } from "../../bench/experiments/resolve.ts";
import { startExperiment } from "../../bench/experiments/start.ts";
import { planHash } from "../../domain/identity.ts";
import { newest, type IssueFacts } from "../../domain/issues/facts.ts";
import { readDesign } from "../plan-check.ts";
import type { ConductorParts } from "../parts.ts";
import { judged, passed, type CheckOutcome } from "./check.ts";

/** Starts the approved experiment at the commit that was reviewed and tested; finds it again where it was started. */
export async function dispatch(
  { lab, dispatcher }: ConductorParts,
  facts: IssueFacts,
  commit: string,
): Promise<CheckOutcome> {
  const submitted = newest(facts, "plan");
  const plan = submitted?.content;
  if (plan === undefined || plan.experiment_file === null || plan.experiment_path === null)
    throw new Error("a plan without a design was approved to run");
  const approved = planHash(readDesign(facts.issue, plan.experiment_file, plan.experiment_path));
  const resolved = await resolveCommitted(
    { repository: facts.issue.project, commit, file: plan.experiment_path, search_path: searchPath() },
    lab,
  );
  if (resolved.plan_hash !== approved) {
    return judged([`${plan.experiment_path} at ${commit.slice(0, 12)} is not the plan that was approved.`]);
  }
  // It was fixed when it was handed in: what its smoke run measured since then was not known.
  const fixedAt = submitted?.submitted_at ?? null;
  const { experiment_id, message } = await startExperiment(lab, "conductor", resolved, { fixedAt });
  dispatcher.wake();
  return passed({ experiment_id, message: `Its experiment is ${resolved.definition.name}: ${message}.` });
}

/** Commands are found where the daemon finds them. */
export const searchPath = (): string => process.env["PATH"] ?? "";
