import type { DocumentFacts } from "./facts.ts";
import { evenedText } from "./prose.ts";

/** Numbers that the plan fixes before anything is measured: they may be typed. */
export interface Declared {
  values: ReadonlySet<number>;
  /** Those of them that stand in a text of the plan: what they count is said there. */
  said: ReadonlySet<number>;
  /** Names of the design that hold digits, longest first: `gpt-2 small`, `top-5`. */
  names: readonly string[];
}

const numeral = /\d+\u2044\d+|\d+(?:\.\d+)?(?:e[-+]?\d+)?|\.\d+/gi;

export function declaredNumbers({ definition, experiment, tables, decision, runs }: DocumentFacts): Declared {
  const [values, said] = [new Set<number>(), new Set<number>()];
  const names = new Set<string>([experiment.reference, experiment.file]);
  const visit = (value: unknown): void => {
    if (typeof value === "number") values.add(Math.abs(value));
    else if (typeof value === "string")
      for (const [text] of evenedText(value).matchAll(numeral)) said.add(numberOf(text));
    else if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        names.add(evenedText(key));
        visit(key);
        visit(member);
      }
    }
  };
  visit(definition);
  const { arms, tasks, seeds, parameters, metrics, stages } = definition;
  const comparisons = decision?.comparisons ?? [];
  for (const { alpha } of comparisons) values.add(alpha).add(1 - alpha);
  for (const { level } of tables) values.add(level);
  const lengths = [arms, tasks, parameters, metrics, stages, comparisons].map((one) => Object.keys(one).length);
  const points = Object.values(parameters).map((one) => one.values.length);
  for (const count of [...lengths, ...points, seeds.length, runs.length, runs.length / seeds.length]) values.add(count);
  for (const stage of stages) if (stage.seeds !== null) values.add(stage.seeds.length);
  return {
    values: new Set([...values, ...said]),
    said,
    names: [...names].filter((name) => /\d/.test(name) && /\D/.test(name)).sort((a, b) => b.length - a.length),
  };
}

/** Also of a fraction, which `½` becomes. */
export function numberOf(text: string): number {
  const [above = "", below] = text.split("\u2044");
  return below === undefined ? Number(above) : Number(above) / Number(below);
}

/** Whether a typed number is a declared one. `5 %` is 0.05: twenty runs or a seed 3 make no `20 %` and no `3 %`. */
export function isDeclared(value: number, percent: boolean, { values, said }: Declared): boolean {
  const size = Math.abs(value);
  return percent ? isAmong(said, size) || isAmong(values, size / 100) : isAmong(values, size);
}

const isAmong = (numbers: ReadonlySet<number>, wanted: number): boolean =>
  [...numbers].some((one) => Math.abs(one - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted)));
