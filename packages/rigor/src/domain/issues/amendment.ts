import { isMap, isNode, isScalar, parseDocument, type Document } from "yaml";
import { canonicalJson, type Json } from "../canonical.ts";
import { RigorError } from "../errors.ts";
import type { Experiment } from "../experiment.ts";
import { parseExperiment } from "../files/parse-experiment.ts";
import { designDifferences } from "./consistency.ts";
import type { VariableChange } from "./records.ts";
import type { SubmissionContent } from "./submissions.ts";

type Plan = SubmissionContent<"plan">;

/** The finished issue whose plan a follow-up inherits. */
export interface ParentFacts {
  number: number;
  plan: Plan;
  /** NAME@VERSION of its experiment. */
  experiment: string;
  /** The commit that ran. */
  commit: string;
  /** GPU hours that the proposal of the follow-up asks for; null where nobody said. */
  asked_hours: number | null;
  /** GPU hours of its approval that neither its own runs used nor other follow-ups were given. */
  hours_left: number;
}

/** What may be amended without another plan: what is compared, on what, and how often; never how it is judged. */
const amendable = /^(?:arms|tasks|parameters|inputs)\.|^seeds$/;

/**
 * The plan of a finished experiment with one variable changed, made by code.
 *
 * @param change its `variable` is the path of a key in the experiment file, its `to` the new value as YAML
 * @returns why code cannot make it, as a sentence, where it cannot
 */
export function amendPlan(
  parent: Omit<ParentFacts, "hours_left">,
  change: VariableChange,
  issue: number,
): { plan: Plan; design: Experiment } | { problem: string } {
  const { plan } = parent;
  const { variable } = change;
  if (plan.experiment_file === null || plan.experiment_path === null) return { problem: "The plan has no experiment." };
  if (!amendable.test(variable)) {
    return { problem: `${variable} is no arm, task, parameter, input or seed of the experiment file.` };
  }
  const before = parseExperiment(plan.experiment_file, { file: plan.experiment_path });
  const name = followUpName(before.name, issue);
  const path = plan.experiment_path.replace(/[^/]+$/, `${name}.yaml`);
  const document = parseDocument(plan.experiment_file);
  const value = parseDocument(change.to);
  if (value.errors.length > 0) return { problem: `${JSON.stringify(change.to)} is no value in YAML.` };
  if (!put(document, variable, value)) return { problem: `${variable} is not in the experiment file.` };
  document.set("name", name);
  if (before.resources.gpus > 0 && parent.asked_hours !== null) {
    const hours = Math.min(parent.asked_hours, before.budget.gpu_hours ?? Infinity);
    document.setIn(["budget", "gpu_hours"], hours);
  }
  const text = document.toString({ lineWidth: 0 });
  const amended = readAmended(text, path);
  if ("problem" in amended) return amended;
  const { design } = amended;
  const differences = designDifferences(before, design);
  if (differences.length === 0)
    return { problem: `${variable} is ${canonicalJson(value.toJS() as Json)} there already.` };
  if (differences.length !== 1) {
    return { problem: `It changes ${differences.length} variables of ${parent.experiment}, and not one.` };
  }
  const strange = parameterNames(design).difference(parameterNames(before));
  if (strange.size > 0) return { problem: `The code of ${parent.experiment} knows no parameter ${[...strange][0]}.` };
  return { plan: inheriting(parent, change, { path, text }), design };
}

function inheriting(
  { plan, number, experiment }: Omit<ParentFacts, "hours_left">,
  change: VariableChange,
  { path, text }: { path: string; text: string },
): Plan {
  return {
    ...plan,
    experiment_path: path,
    experiment_file: text,
    parent: experiment,
    changes: [change],
    reasons: `The plan of issue ${number} with one variable changed, by code: ${change.why}`,
    needs_code: false,
    implementation: "",
    answers: [],
  };
}

/** A follow-up is an experiment of its own: another version of its parent's would take the place of that. */
const followUpName = (name: string, issue: number): string => `${name.replace(/-issue-\d+$/, "")}-issue-${issue}`;

/** What a variable has been set to in a plan, as YAML on one line; null where the plan does not have it. */
export function valueOf(plan: Plan, variable: string): string | null {
  if (plan.experiment_file === null) return null;
  const document = parseDocument(plan.experiment_file);
  const [path] = pathsOf(document, variable.split("."));
  const found = path === undefined ? undefined : document.getIn(path, true);
  return isNode(found) ? canonicalJson(found.toJS(document)) : null;
}

/**
 * Sets a variable that the file has, or adds an arm or a task. `arms.*.parameters.steps` is set in each arm that has it, and
 * a grid's parameter is a list of values also where one is given.
 */
function put(document: Document, variable: string, value: Document): boolean {
  const path = variable.split(".");
  const [group = "", name] = path;
  const adds = path.length === 2 && name !== "*" && (group === "arms" || group === "tasks") && document.has(group);
  const paths = adds ? [path] : pathsOf(document, path);
  const isGridPoint = group === "parameters" && path.length === 2 && isScalar(value.contents);
  for (const one of paths) {
    document.setIn(one, isGridPoint ? { values: [value.toJS()] } : document.createNode(value.toJS()));
  }
  return paths.length > 0;
}

/** The paths of a document that a path with `*` for any name stands for. */
function pathsOf(document: Document, path: readonly string[]): string[][] {
  const [group = "", name, ...rest] = path;
  const members = document.get(group);
  const meant =
    name === "*" && isMap(members) ? members.items.map(({ key }) => [group, String(key), ...rest]) : [[...path]];
  return meant.filter((one) => document.hasIn(one));
}

/** A file that breaks a rule with the new value cannot be run, whoever writes it. */
function readAmended(text: string, file: string): { design: Experiment } | { problem: string } {
  try {
    return { design: parseExperiment(text, { file }) };
  } catch (error) {
    if (error instanceof RigorError) return { problem: error.message };
    throw error;
  }
}

function parameterNames({ arms, tasks, parameters }: Experiment): Set<string> {
  const own = [...Object.values(arms), ...Object.values(tasks)].flatMap((one) => Object.keys(one.parameters));
  return new Set([...own, ...Object.keys(parameters)]);
}

/** GPU hours that a design may use; none where its runs use no GPU. */
export const hoursOf = (design: Experiment): number =>
  design.resources.gpus === 0 ? 0 : (design.budget.gpu_hours ?? Infinity);
