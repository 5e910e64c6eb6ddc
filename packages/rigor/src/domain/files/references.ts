import { checkCommand } from "../command.ts";
import type { FileExperiment } from "./experiment-schema.ts";
import { pathText } from "./explain.ts";
import { checkNeeds, foldersOfFile } from "./need-rules.ts";
import type { Problems } from "./problems.ts";
import { References } from "./report.ts";
import { firstMissing } from "./seeds.ts";
import type { Path, Source } from "./source.ts";
import { checkStages } from "./stage-rules.ts";

/** Checks the names that one part of an experiment uses against the parts that define them. */
export function checkReferences(file: FileExperiment, source: Source, problems: Problems): void {
  const references = new References(source, problems);
  checkPrimaryMetric(file, references);
  checkParameters(file, references);
  checkNeeds(file, references);
  checkCommandNames(file, references);
  checkMetricLists(file, references);
  checkStageNames(file, references);
  checkStages(file, references);
  checkDecision(file, references);
  checkResources(file, references);
  checkEnvironment(file, references);
}

function checkPrimaryMetric(file: FileExperiment, references: References): void {
  const metrics = Object.keys(file.metrics);
  if (file.primary_metric !== undefined) {
    references.known(["primary_metric"], "metric", file.primary_metric, metrics);
  } else if (metrics.length > 1) {
    references.problem(
      [],
      `the key \`primary_metric\` is missing; with several metrics it must be one of ${metrics.join(", ")}`,
    );
  }
}

/** A parameter may come from one place only: from arms, from tasks, or from the grid. */
function checkParameters(file: FileExperiment, references: References): void {
  const ofTasks = owners(file.tasks, "tasks");
  const ofGrid = new Map(Object.keys(file.parameters).map((name): [string, Path] => [name, ["parameters", name]]));
  const clash = (path: Path, name: string, other: Path | undefined): void => {
    if (other === undefined) return;
    references.problem(
      path,
      `the parameter \`${name}\` is also set by ${pathText(other)} at ${references.place(other)}; set it in one place`,
      "key",
    );
  };
  for (const [arm, { parameters }] of Object.entries(file.arms)) {
    for (const name of Object.keys(parameters)) {
      const path = ["arms", arm, "parameters", name];
      clash(path, name, ofTasks.get(name) ?? ofGrid.get(name));
    }
  }
  for (const [task, { parameters }] of Object.entries(file.tasks)) {
    for (const name of Object.keys(parameters)) clash(["tasks", task, "parameters", name], name, ofGrid.get(name));
  }
}

/** The first place among arms or tasks that sets each parameter. */
function owners(parts: Record<string, { parameters: object }>, key: string): Map<string, Path> {
  const places = new Map<string, Path>();
  for (const [part, { parameters }] of Object.entries(parts)) {
    for (const name of Object.keys(parameters)) {
      if (!places.has(name)) places.set(name, [key, part, "parameters", name]);
    }
  }
  return places;
}

function checkCommandNames(file: FileExperiment, references: References): void {
  const everywhere = [...Object.keys(file.parameters), ...common(file.arms), ...common(file.tasks)];
  const names = { parameters: new Set(everywhere), inputs: Object.keys(file.inputs), needs: foldersOfFile(file) };
  for (const { argument, problem } of checkCommand(file.run, names)) {
    references.problem(argument === null ? ["run"] : ["run", argument], problem);
  }
}

/** The parameters that every one of these sets. */
function common(parts: Record<string, { parameters: object }>): string[] {
  const sets = Object.values(parts).map(({ parameters }) => parameters);
  return Object.keys(sets[0] ?? {}).filter((name) => sets.every((parameters) => Object.hasOwn(parameters, name)));
}

function checkMetricLists(file: FileExperiment, references: References): void {
  const metrics = Object.keys(file.metrics);
  for (const name of Object.keys(file.checks.chance))
    references.known(["checks", "chance", name], "metric", name, metrics, "key");
  for (const [arm, { metrics: reported }] of Object.entries(file.arms)) {
    for (const [index, name] of (reported ?? []).entries())
      references.known(["arms", arm, "metrics", index], "metric", name, metrics);
  }
  for (const list of ["zero_allowed", "constant_allowed"] as const) {
    for (const [index, name] of file.checks[list].entries())
      references.known(["checks", list, index], "metric", name, metrics);
  }
}

function checkStageNames(file: FileExperiment, references: References): void {
  const arms = Object.keys(file.arms);
  const tasks = Object.keys(file.tasks);
  const seen = new Map<string, number>();
  for (const [index, stage] of file.stages.entries()) {
    const at = (...path: Path): Path => ["stages", index, ...path];
    const first = seen.get(stage.name);
    if (first !== undefined) {
      references.problem(
        at("name"),
        `the stage \`${stage.name}\` is there twice; the first is at ${references.place(["stages", first, "name"])}`,
      );
    }
    seen.set(stage.name, first ?? index);
    for (const [entry, arm] of (stage.arms ?? []).entries()) references.known(at("arms", entry), "arm", arm, arms);
    for (const [entry, task] of (stage.tasks ?? []).entries())
      references.known(at("tasks", entry), "task", task, tasks);
    const missing = stage.seeds === null ? null : firstMissing(stage.seeds, file.seeds);
    if (missing !== null) {
      references.problem(
        at("seeds", missing.index),
        `the seed ${missing.seed} is not among the seeds of the experiment`,
      );
    }
  }
}

type FileComparison = NonNullable<FileExperiment["decision"]>["comparisons"][number];

function checkDecision(file: FileExperiment, references: References): void {
  const seen = new Map<string, number>();
  for (const [index, comparison] of (file.decision?.comparisons ?? []).entries()) {
    const path = ["decision", "comparisons", index];
    checkComparisonNames(file, comparison, path, references);
    checkInLastStage(file, comparison, path, references);
    const { better, than, metric = file.primary_metric, task, test } = comparison;
    const key = JSON.stringify([better, than, metric, task, test]);
    const first = seen.get(key);
    if (first !== undefined) {
      const place = references.place(["decision", "comparisons", first]);
      references.problem(path, `this comparison is there twice; the first is at ${place}`);
    }
    seen.set(key, first ?? index);
  }
}

function checkComparisonNames(
  file: FileExperiment,
  { better, than, metric, task }: FileComparison,
  path: Path,
  references: References,
): void {
  const arms = Object.keys(file.arms);
  references.known([...path, "better"], "arm", better, arms);
  references.known([...path, "than"], "arm", than, arms);
  if (better === than) references.problem([...path, "than"], `the arm \`${than}\` cannot be compared with itself`);
  if (metric !== undefined) references.known([...path, "metric"], "metric", metric, Object.keys(file.metrics));
  for (const [key, arm] of [
    ["better", better],
    ["than", than],
  ] as const) {
    const reported = file.arms[arm]?.metrics ?? null;
    const measured = metric ?? file.primary_metric ?? Object.keys(file.metrics)[0] ?? "";
    if (reported === null || reported.includes(measured)) continue;
    references.problem([...path, key], `the arm \`${arm}\` does not report \`${measured}\`, which is compared`);
  }
  if (task !== null) references.known([...path, "task"], "task", task, Object.keys(file.tasks));
}

/** Only runs of the last stage are compared, so it must have what is compared. */
function checkInLastStage(file: FileExperiment, comparison: FileComparison, path: Path, references: References): void {
  const final = file.stages.at(-1);
  const places = [
    { key: "better", kind: "arm", defined: file.arms, inStage: final?.arms },
    { key: "than", kind: "arm", defined: file.arms, inStage: final?.arms },
    { key: "task", kind: "task", defined: file.tasks, inStage: final?.tasks },
  ] as const;
  for (const { key, kind, defined, inStage } of places) {
    const name = comparison[key];
    // A name that is defined nowhere has been told already.
    if (name === null || !Object.hasOwn(defined, name) || (inStage?.includes(name) ?? true)) continue;
    references.problem(
      [...path, key],
      `the ${kind} \`${name}\` is not in the last stage, and only its runs are compared`,
    );
  }
}

function checkResources({ resources }: FileExperiment, references: References): void {
  if (resources.gpu_memory !== null && resources.gpus === 0) {
    references.problem(
      ["resources", "gpu_memory"],
      "memory of a GPU is asked for, but `gpus` is 0; ask for at least one",
    );
  }
}

function checkEnvironment({ environment }: FileExperiment, references: References): void {
  if (environment.manager !== "none" && environment.lock === null) {
    references.problem(
      ["environment", "lock"],
      `the manager \`${environment.manager}\` needs a lock file, found nothing`,
    );
  }
  if (environment.lock === ".")
    references.problem(["environment", "lock"], "expected a file, found the whole repository");
  for (const [index, name] of environment.pass.entries()) {
    if (!Object.hasOwn(environment.variables, name)) continue;
    references.problem(
      ["environment", "pass", index],
      `the variable \`${name}\` is also set at ${references.place(["environment", "variables", name])}; choose one`,
    );
  }
}
