import { experimentById } from "../../bench/records/experiment-queries.ts";
import { resolveCommitted } from "../../bench/experiments/resolve.ts";
import { startExperiment } from "../../bench/experiments/start.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Experiment } from "../../domain/experiment.ts";
import { checkOf, newest, type IssueFacts } from "../../domain/issues/facts.ts";
import { smokeRunName } from "../../domain/issues/smoke-run.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import type { Json } from "../../domain/canonical.ts";
import type { ConductorParts } from "../parts.ts";
import { resumeExperiment } from "../resume-experiment.ts";
import type { CheckOutcome } from "./check.ts";
import { searchPath } from "./dispatch.ts";
import { heldSince, smokeOutcome } from "./smoke-outcome.ts";

/**
 * Runs the real command once for each arm through the same path as the experiment, with the plan's smallest parameters.
 * Every declared output must arrive. Null while it runs. One that failed without fault of its code goes on where it stood
 * when the check is made again.
 */
export async function smokeTest(
  parts: ConductorParts,
  facts: IssueFacts,
  commit: string,
): Promise<CheckOutcome | null> {
  const { lab, dispatcher } = parts;
  const plan = newest(facts, "plan")?.content;
  if (plan === undefined || plan.experiment_path === null)
    throw new Error("a plan without a design has nothing to test");
  const resolved = await resolveCommitted(
    {
      repository: facts.issue.project,
      commit,
      file: plan.experiment_path,
      search_path: searchPath(),
      change: (design) => smallest(design, plan.smoke?.parameters ?? {}, facts.issue.number),
    },
    lab,
  );
  const { experiment_id, created } = await startExperiment(lab, "conductor", resolved);
  if (created) dispatcher.wake();
  let experiment = await experimentById(lab.store.db, experiment_id);
  const earlier = checkOf(facts, "smoke", commit);
  if (experiment.hold !== null && earlier?.fault === true && heldSince(earlier) === experiment.hold.since) {
    await resumeIfPossible(parts, experiment);
    experiment = await experimentById(lab.store.db, experiment_id);
  }
  if (experiment.state === "running" || experiment.state === "deciding" || experiment.state === "draft") return null;
  return smokeOutcome(lab.store.db, experiment_id);
}

/** Where more is needed, such as a larger budget, its hold still stands and says so. */
async function resumeIfPossible(parts: ConductorParts, experiment: ExperimentRecord): Promise<void> {
  try {
    await resumeExperiment(parts, experiment, "The smoke run is tried again.");
  } catch (error) {
    if (!(error instanceof RigorError) || error.code !== "not-possible") throw error;
  }
}

/** One task, one seed and the smallest parameters; the command, the arms and the outputs are the experiment's own. */
function smallest(design: Experiment, parameters: Readonly<Record<string, Json>>, issue: number): Experiment {
  const [seed = 0] = design.seeds;
  const [task] = Object.entries(design.tasks);
  const shrunk = <Named extends { parameters: Readonly<Record<string, Json>> }>(one: Named): Named => ({
    ...one,
    parameters: { ...one.parameters, ...overlap(one.parameters, parameters) },
  });
  return {
    ...design,
    name: smokeRunName(design.name, issue),
    arms: Object.fromEntries(Object.entries(design.arms).map(([name, arm]) => [name, shrunk(arm)])),
    tasks: task === undefined ? {} : { [task[0]]: shrunk(task[1]) },
    parameters: Object.fromEntries(
      Object.entries(design.parameters).map(([name, values]) => [
        name,
        { values: [parameters[name] ?? values.values[0] ?? null] },
      ]),
    ),
    seeds: [seed],
    stages: [{ name: "smoke", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } }],
    decision: null,
    // So small a run may give equal or trivial values.
    checks: { ...design.checks, chance: {}, same_inputs: false },
  };
}

const overlap = (own: Readonly<Record<string, Json>>, wanted: Readonly<Record<string, Json>>): Record<string, Json> =>
  Object.fromEntries(Object.entries(wanted).filter(([name]) => Object.hasOwn(own, name)));
