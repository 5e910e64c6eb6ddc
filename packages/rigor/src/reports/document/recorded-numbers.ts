import { parameterText } from "../../domain/format/words.ts";
import type { DocumentFacts, MeasuredTable } from "./facts.ts";
import { cellsOf, type PlacedCell } from "./values.ts";

/** A number that a directive would give. */
interface Recorded {
  value: number;
  directive: string;
  /** Digits that must have been typed, so that no coincidence is suggested. */
  digits: number;
  /** What one is as a percentage: 100 for a share, 1 for what is given in percent, else null. */
  percentage: number | null;
}

/** A number as somebody typed it. */
export interface TypedNumber {
  text: string;
  value: number;
  decimals: number;
  percent: boolean;
}

/** More would be looked up for nobody. */
const mostSuggestions = 100;

/** Finds the directive that gives what somebody typed. The recorded numbers are listed once, when they are first needed. */
export function suggestions(facts: DocumentFacts): (typed: TypedNumber) => string | null {
  let recorded: Recorded[] | null = null;
  let asked = 0;
  return (typed) => {
    asked += 1;
    if (asked > mostSuggestions) return null;
    recorded ??= recordedNumbers(facts);
    return directiveFor(typed, recorded);
  };
}

/** One whose digits are those of a recorded number, rounded; means come before other statistics, those before single runs. */
function directiveFor(typed: TypedNumber, recorded: readonly Recorded[]): string | null {
  const within = 0.5000001 * 10 ** -typed.decimals;
  const near = (value: number): boolean => Math.abs(Math.abs(value) - Math.abs(typed.value)) <= within;
  const digits = typed.text
    .replace(/e.*$/i, "")
    .replace(/^[^1-9]*/, "")
    .replace(/\D/g, "").length;
  const matches = ({ value, percentage, digits: needed }: Recorded): boolean =>
    digits >= needed && ((!typed.percent && near(value)) || (percentage !== null && near(percentage * value)));
  return recorded.find(matches)?.directive ?? null;
}

/** A share of one lies within its range, or is so declared. */
function percentageOf({ unit, rows }: MeasuredTable): number | null {
  if (unit === "%") return 1;
  const values = rows.flatMap(({ cells }) => cells.flatMap((cell) => cell.values.map(({ value }) => value)));
  return unit === null && values.every((value) => value >= 0 && value <= 1) ? 100 : null;
}

function recordedNumbers(facts: DocumentFacts): Recorded[] {
  const cells = facts.tables.flatMap((table) => cellsOf(table).map((placed) => ({ table, placed })));
  const each = (of: (table: MeasuredTable, placed: PlacedCell) => Recorded[]): Recorded[] =>
    cells.flatMap(({ table, placed }) => of(table, placed));
  const percentages = new Map(facts.tables.map((table) => [table, percentageOf(table)]));
  const recorded = (table: MeasuredTable, value: number, directive: string, digits: number): Recorded => {
    return { value, directive, digits, percentage: percentages.get(table) ?? null };
  };
  const statistic = (name: string, digits: number, of: (values: number[], placed: PlacedCell) => (number | null)[]) =>
    each((table, placed) =>
      of(
        placed.cell.values.map(({ value }) => value),
        placed,
      )
        .filter((value) => value !== null)
        .map((value) => recorded(table, value, valueDirective(name, table.metric, placed), digits)),
    );
  return [
    ...statistic("mean", 2, (_, { cell }) => [cell.mean]),
    ...comparisonNumbers(facts),
    ...statistic("sd", 3, (_, { cell }) => [cell.sd]),
    ...statistic("min", 3, (values) => (values.length === 0 ? [] : [Math.min(...values)])),
    ...statistic("max", 3, (values) => (values.length === 0 ? [] : [Math.max(...values)])),
    ...statistic("interval", 3, (_, { cell }) => [cell.low, cell.high]),
    ...each((table, placed) =>
      placed.cell.values.map(({ seed, value }) =>
        recorded(table, value, valueDirective(null, table.metric, placed, seed), 3),
      ),
    ),
  ];
}

function comparisonNumbers({ decision }: DocumentFacts): Recorded[] {
  return (decision?.comparisons ?? []).flatMap(({ effect, interval, adjusted_p, unit }, index) => {
    const of = (part: string, digits: number, values: readonly (number | null | undefined)[]): Recorded[] =>
      values
        .filter((value) => typeof value === "number")
        .map((value) => {
          const directive = `:comparison[${part}]{number=${index + 1}}`;
          return { value, directive, digits, percentage: unit === "%" && part !== "p" ? 1 : null };
        });
    return [
      ...of("effect", 2, [effect]),
      ...of("p", 2, [adjusted_p]),
      ...of("interval", 3, [interval?.low, interval?.high]),
    ];
  });
}

/** As a person would type it: what needs quotes gets them. @param statistic null for the value of one seed */
export function valueDirective(
  statistic: string | null,
  metric: string,
  { arm, grid, cell }: PlacedCell,
  seed?: number,
): string {
  const plain = /^[\w +-]+$/.test(metric) && !/(?:^|[ ])_|_(?:[ ]|$)/.test(metric);
  const words = [statistic, plain ? metric : null].filter((word) => word !== null);
  const attributes = [
    ...(plain ? [] : [["metric", metric]]),
    ["arm", arm],
    ["task", cell.task],
    ...Object.entries(grid).map(([name, value]) => [name, parameterText(value)]),
    ...(seed === undefined ? [] : [["seed", String(seed)]]),
  ].map(([name, value]) => `${name}=${attributeText(value ?? "")}`);
  return `:value[${words.length === 0 ? "value" : words.join(" ")}]{${attributes.join(" ")}}`;
}

export function attributeText(value: string): string {
  if (/^[\w.@/:+-]+$/.test(value)) return value;
  // Character references, because an attribute has no escapes.
  return `"${value.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"`;
}
