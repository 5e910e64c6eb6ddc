import type { Json } from "../canonical.ts";
import { duration } from "../format/numbers.ts";
import { parameterText } from "../format/words.ts";
import { machineOfId } from "../rules/compute-rules.ts";
import { sameBinding } from "./facts.ts";
import type { GateName, GateRecord } from "./records.ts";

type Part = Readonly<Record<string, Json>>;

/** What an approval of the result does with the code; `into` is null where that is left to a person. */
export type CodeFate = { branch: string; into: string | null };

/**
 * In which parts two bindings of a gate differ, in words for whoever answered the first and is asked about the second.
 * Empty where nothing differs.
 */
export function bindingChanges(before: Json, after: Json): string[] {
  const [was, is] = [partsOf(before), partsOf(after)];
  return namesOf(was, is).flatMap((name) => (words[name] ?? plainly(name))(was[name] ?? null, is[name] ?? null));
}

/** What has changed since a person approved something else at a gate of this name, as a sentence; none where nobody did. */
export function changedSince(gates: readonly GateRecord[], name: GateName, binding: Json): string[] {
  const approved = gates.findLast((gate) => gate.name === name && gate.choice === "approve");
  if (approved === undefined) return [];
  const changes = bindingChanges(approved.binding, binding);
  return changes.length === 0 ? [] : [`It is not what was approved at gate ${approved.number}: ${changes.join("; ")}.`];
}

const plainly =
  (name: string) =>
  (was: Json, is: Json): string[] =>
    sameBinding(was, is) ? [] : [`${name} is another one`];

/** Parts that say more than that they are another one. */
const words: Readonly<Record<string, (was: Json, is: Json) => string[]>> = {
  plan: plainly("the plan"),
  result: plainly("the document, or a value that it shows,"),
  change: (was, is) => became("the code", commitText(was), commitText(is)),
  budget: (was, is) => {
    const [before, after] = [partsOf(was), partsOf(is)];
    return [
      ...became(
        "the budget's gpu_hours",
        limitText(before["gpu_hours"], String),
        limitText(after["gpu_hours"], String),
      ),
      ...became("the budget's wall", limitText(before["wall"], duration), limitText(after["wall"], duration)),
    ];
  },
  compute: (was, is) => {
    const [before, after] = [partsOf(was), partsOf(is)];
    return namesOf(before, after).flatMap((name) => computeChange(name, before[name], after[name]));
  },
  promotion: (was, is) => became("agents.promotion", parameterText(was), parameterText(is)),
  code: (was, is) => became("the code", fateText(was), fateText(is)),
};

const partsOf = (value: Json): Part =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Part) : {};

const namesOf = (was: Part, is: Part): string[] => [...new Set([...Object.keys(was), ...Object.keys(is)])];

const became = (what: string, was: string, is: string): string[] =>
  was === is ? [] : [`${what} was ${was} and is ${is} now`];

const commitText = (hash: Json): string => (typeof hash === "string" ? `commit ${hash.slice(0, 12)}` : "none");

const limitText = (limit: Json | undefined, text: (limit: number) => string): string =>
  typeof limit === "number" ? text(limit) : "without limit";

function computeChange(name: string, was: Json | undefined, is: Json | undefined): string[] {
  if (was === is) return [];
  const [before, after] = [placeText(was), placeText(is)];
  const what = `the compute ${name}`;
  return before === after ? [`${what} is reached or used in another way`] : became(what, before, after);
}

function placeText(id: Json | undefined): string {
  if (id === undefined) return "not used";
  return typeof id === "string" ? machineOfId(id) : "not in rigor.yaml";
}

function fateText(fate: Json): string {
  if (fate === null) return "to be left alone";
  const { branch, into } = fate as CodeFate;
  return into === null ? `to stay on ${branch}` : `to be merged into ${into}`;
}
