import { tryFindExperiment } from "../bench/records/lookup.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { readSettings } from "../bench/lab/settings.ts";
import { RigorError } from "../domain/errors.ts";
import type { Experiment } from "../domain/experiment.ts";
import { parseExperiment } from "../domain/files/parse-experiment.ts";
import type { IssueRecord } from "../domain/issues/records.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";

type Plan = SubmissionContent<"plan">;

/** Why a plan cannot be taken, beyond its schema: each is a sentence that says how to mend it. */
export async function planProblems(lab: Lab, issue: IssueRecord, plan: Plan): Promise<string[]> {
  const problems: string[] = [];
  const measures = issue.kind === "experiment" || (issue.kind === "analysis" && plan.needs_code);
  if (measures) problems.push(...designProblems(issue, plan));
  else if (plan.experiment_file !== null)
    problems.push(`An issue of the kind ${issue.kind} runs no experiment: leave experiment_file null.`);
  for (const name of [...plan.uses, ...(plan.parent === null ? [] : [plan.parent])]) {
    if ((await tryFindExperiment(lab.store.db, name)) === undefined) {
      problems.push(`There is no experiment ${name}. Search the lab for those that there are.`);
    }
  }
  return problems;
}

function designProblems(issue: IssueRecord, plan: Plan): string[] {
  if (plan.experiment_file === null || plan.experiment_path === null) {
    return ["The plan needs experiment_file and experiment_path: what is measured is a design, not prose."];
  }
  try {
    const design = readDesign(issue, plan.experiment_file, plan.experiment_path);
    return [...ruleProblems(design), ...smokeProblems(plan, design)];
  } catch (error) {
    // What the parser says names line and column.
    if (error instanceof RigorError) return error.message.split("\n");
    throw error;
  }
}

/** @throws RigorError `file-invalid` */
export function readDesign(issue: IssueRecord, text: string, file: string): Experiment {
  const settings = readSettings(issue.project);
  return parseExperiment(text, { file, maxRuns: settings.limits.max_runs, compute: Object.keys(settings.compute) });
}

/** What an experiment of a person may leave open, and a plan that is approved in advance may not. */
function ruleProblems(design: Experiment): string[] {
  const problems: string[] = [];
  if (design.decision === null)
    problems.push("experiment_file: a plan needs a `decision`, fixed before any result is known.");
  if (design.resources.gpus > 0 && design.budget.gpu_hours === null) {
    problems.push("experiment_file: runs use GPUs, so the plan needs `budget: { gpu_hours: ... }`.");
  }
  return problems;
}

function smokeProblems(plan: Plan, design: Experiment): string[] {
  const known = new Set([
    ...Object.keys(design.parameters),
    ...Object.values(design.arms).flatMap((arm) => Object.keys(arm.parameters)),
    ...Object.values(design.tasks).flatMap((task) => Object.keys(task.parameters)),
  ]);
  return Object.keys(plan.smoke?.parameters ?? {})
    .filter((name) => !known.has(name))
    .map((name) => `smoke.parameters: the design has no parameter ${name}. It has ${[...known].join(", ") || "none"}.`);
}
