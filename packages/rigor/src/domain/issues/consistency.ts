import { canonicalJson, type Json } from "../canonical.ts";
import type { Experiment } from "../experiment.ts";
import type { VariableChange } from "./records.ts";

/** One variable in which a plan differs from another design. */
export interface Difference {
  /** `parameters.lr`, `arms.ours`, `seeds`. */
  variable: string;
  from: string;
  to: string;
  /** Whether results of the two cannot be compared without a word: another evaluation, disjoint seeds. */
  comparable: boolean;
}

/** A difference as persons read it. */
export function differenceText({ variable, from, to, comparable }: Difference): string {
  const words = `${variable}: ${from} became ${to}.`;
  return comparable ? words : `${words} Results of the two cannot be compared without a word on it.`;
}

const text = (value: unknown): string => (value === undefined ? "nothing" : canonicalJson(value));

/** Every variable in which two designs differ, in code and not by what somebody says. */
export function designDifferences(before: Experiment, after: Experiment): Difference[] {
  return [
    ...parametrised("arms", before.arms, after.arms),
    ...parametrised("tasks", before.tasks, after.tasks, false),
    ...members("parameters", before.parameters, after.parameters),
    ...members("metrics", before.metrics, after.metrics, false),
    ...members("inputs", before.inputs, after.inputs, false),
    ...single("run", before.run, after.run),
    ...single("decision", before.decision, after.decision, false),
    ...seeds(before.seeds, after.seeds),
  ];
}

function single(variable: string, from: unknown, to: unknown, comparable = true): Difference[] {
  const [before, after] = [text(from), text(to)];
  return before === after ? [] : [{ variable, from: before, to: after, comparable }];
}

type Parametrised = Readonly<Record<string, { readonly parameters: Readonly<Record<string, Json>> }>>;

/** A parameter that differs in the same way in all arms that have it, or in all tasks, is one variable. */
function parametrised(group: string, before: Parametrised, after: Parametrised, comparable = true): Difference[] {
  const common = Object.keys(before).filter((name) => Object.hasOwn(after, name));
  const names = new Set(common.flatMap((name) => Object.keys(before[name]?.parameters ?? {})));
  const shared = [...names].flatMap((parameter): Difference[] => {
    const having = common.filter((name) => Object.hasOwn(before[name]?.parameters ?? {}, parameter));
    const ways = having.map(
      (name) => [before[name]?.parameters[parameter], after[name]?.parameters[parameter]] as const,
    );
    const [[from, to] = []] = ways;
    const isShared = ways.length > 1 && new Set(ways.map((way) => way.map(text).join(" to "))).size === 1;
    return isShared ? single(`${group}.*.parameters.${parameter}`, from, to, comparable) : [];
  });
  const told = new Set(shared.map(({ variable }) => variable.replace(`${group}.*.parameters.`, "")));
  return [...shared, ...members(group, without(before, told), without(after, told), comparable)];
}

function without(named: Parametrised, parameters: ReadonlySet<string>): Parametrised {
  return Object.fromEntries(
    Object.entries(named).map(([name, one]) => {
      const rest = Object.entries(one.parameters).filter(([parameter]) => !parameters.has(parameter));
      return [name, { ...one, parameters: Object.fromEntries(rest) }];
    }),
  );
}

function members(
  group: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  comparable = true,
): Difference[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => single(`${group}.${name}`, before[name], after[name], comparable));
}

/** More of the same seeds is no other variable; seeds that have nothing in common cannot be paired. */
function seeds(before: readonly number[], after: readonly number[]): Difference[] {
  if (text(before) === text(after)) return [];
  const shared = after.some((seed) => before.includes(seed));
  return [{ variable: "seeds", from: text(before), to: text(after), comparable: shared }];
}

/**
 * What a plan leaves unexplained of its differences, a sentence each: one variable may differ; each further one, and
 * each that makes results incomparable, needs an entry of its own in `changes`.
 */
export function unjustified(differences: readonly Difference[], changes: readonly VariableChange[]): string[] {
  const told = (variable: string): boolean =>
    changes.some((one) => one.variable === variable || one.variable.startsWith(`${variable}.`));
  const silent = differences.filter(({ variable }) => !told(variable));
  const incomparable = silent.filter((one) => !one.comparable);
  const others = silent.filter((one) => one.comparable);
  const isOneVariable = differences.length === 1;
  const sentence = ({ variable, from, to }: Difference): string =>
    `${variable} differs from the parent's (${shortened(from)} became ${shortened(to)}), and \`changes\` does not say why.`;
  return [...incomparable, ...(isOneVariable ? [] : others)].map(sentence);
}

const shortened = (value: string): string => (value.length > 80 ? `${value.slice(0, 77)}...` : value);
