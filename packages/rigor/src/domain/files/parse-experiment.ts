import { countRuns, defaultMaxRuns, refuseAbove } from "../design.ts";
import { RigorError } from "../errors.ts";
import type { Environment, Experiment, Stage } from "../experiment.ts";
import { experimentSchema, type FileExperiment } from "./experiment-schema.ts";
import { check } from "./explain.ts";
import { completeNeed } from "./need-rules.ts";
import { Problems } from "./problems.ts";
import { checkReferences } from "./references.ts";
import { References } from "./report.ts";
import { seedList } from "./seeds.ts";
import { readYaml, type Source } from "./source.ts";

export interface ParseOptions {
  /** Name of the file in messages. */
  file: string;
  /** More runs than this are refused. */
  maxRuns?: number;
  /** Names of compute that exist; not checked when absent. */
  compute?: readonly string[];
}

const next = "Correct the file and try again. Every key is in docs/experiment-file.md of the package `rigor`.";

/**
 * Reads an experiment file: fills in defaults, resolves units to bytes and seconds, and checks every name.
 * Keys and values are checked first, then names against each other; all problems of a step are told together.
 *
 * @throws RigorError `file-invalid` with up to ten problems, each as `FILE:LINE:COLUMN: what was found, what is allowed`.
 * @throws RigorError `limit-exceeded` when the experiment asks for more than `maxRuns` runs.
 */
export function parseExperiment(text: string, { file, maxRuns = defaultMaxRuns, compute }: ParseOptions): Experiment {
  const problems = new Problems(file);
  const source = readYaml(text, problems);
  problems.throwIfAny(next);
  if (source === null) throw new RigorError("internal", `${file} could not be read, and no reason is known.`);
  if (isEmpty(source)) problems.add({ line: 1, column: 1 }, "the file is empty; expected an experiment (`name: ...`)");
  problems.throwIfAny(next);
  const content = check(experimentSchema, source, problems);
  problems.throwIfAny(next);
  if (content === null) throw new RigorError("internal", `${file} breaks the schema, and no reason is known.`);
  checkReferences(content, source, problems);
  if (compute !== undefined) checkCompute(content, compute, new References(source, problems));
  problems.throwIfAny(next);
  // What multiplies most is most often the seeds.
  const { line, column } = source.keyAt(["seeds"]);
  const where = `${file}:${line}:${column}`;
  refuseHugeRange(content, maxRuns, where);
  const experiment = complete(content);
  const runs = countRuns(experiment);
  if (runs === 0) {
    // Only stages can leave nothing: arms, tasks, grid and seeds have at least one entry each.
    problems.add(source.keyAt(["stages"]), "there are zero runs: no stage has both an arm and a task");
  }
  problems.throwIfAny(next);
  refuseAbove(maxRuns, runs, where);
  return experiment;
}

function isEmpty(source: Source): boolean {
  return source.value === null || source.value === undefined;
}

function checkCompute(content: FileExperiment, defined: readonly string[], references: References): void {
  for (const [index, name] of content.compute.entries()) references.known(["compute", index], "compute", name, defined);
}

/** Refuses a range of seeds that alone is above the limit, before its seeds are made one by one. */
function refuseHugeRange({ seeds, arms, tasks, parameters }: FileExperiment, maxRuns: number, where: string): void {
  if (seeds.kind === "list" || seeds.count <= maxRuns) return;
  const points = Object.values(parameters).reduce((product, { values }) => product * values.length, 1);
  refuseAbove(maxRuns, seeds.count * Object.keys(arms).length * Object.keys(tasks).length * points, where);
}

/** Fills in the defaults that depend on other keys. */
function complete(content: FileExperiment): Experiment {
  const [onlyMetric = ""] = Object.keys(content.metrics);
  const primary = content.primary_metric ?? onlyMetric;
  const { decision } = content;
  const ownArms = Object.keys(content.arms);
  return {
    ...content,
    arms: mapValues(content.arms, (arm) => ({ ...arm, needs: arm.needs.map((need) => completeNeed(need, ownArms)) })),
    needs: content.needs.map((need) => completeNeed(need, [])),
    primary_metric: primary,
    seeds: seedList(content.seeds),
    environment: completeEnvironment(content.environment),
    stages: content.stages.map((stage): Stage => ({
      ...stage,
      seeds: stage.seeds === null ? null : seedList(stage.seeds),
    })),
    decision:
      decision === null
        ? null
        : { ...decision, comparisons: decision.comparisons.map((one) => ({ ...one, metric: one.metric ?? primary })) },
  };
}

function mapValues<From, To>(record: Record<string, From>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

const lockOf: Record<Environment["manager"], string | null> = {
  npm: "package-lock.json",
  uv: "uv.lock",
  pip: "requirements.txt",
  conda: "environment.yml",
  none: null,
};

function completeEnvironment(environment: FileExperiment["environment"]): Environment {
  return { ...environment, lock: environment.lock ?? lockOf[environment.manager] };
}
