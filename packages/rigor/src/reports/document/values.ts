import type { Json } from "../../domain/canonical.ts";
import { halfWidth, number, percent, quantityText, roundedBy, withUncertainty } from "../../domain/format/numbers.ts";
import { parameterText } from "../../domain/format/words.ts";
import { suggestion } from "../../domain/files/suggest.ts";
import { placeText } from "../../statistics/places.ts";
import { median } from "../../statistics/summaries.ts";
import type { Directive } from "./directives.ts";
import type { DocumentFacts, DocumentRun, MeasuredCell, MeasuredTable } from "./facts.ts";

/** A number for the text, with what it rests on. */
export interface Measured {
  text: string;
  /** What it rests on: `accuracy of ours on sst2`. Numbers of the same runs say the same. */
  about: string;
  /** The runs that it was computed from, by seed. */
  runs: readonly SourceRun[];
  /** The numbers before they were rounded: what an approval is bound to. */
  exact: Json;
}

/** A run behind a number, with its own value where it has one. */
export interface SourceRun {
  run_id: string;
  seed: number;
  value: number | null;
}

/** Why a directive cannot be resolved, and what to write instead. */
export interface Unresolved {
  message: string;
  next: string;
}

export const statistics = ["mean", "median", "sd", "n", "min", "max", "interval"] as const;
export type Statistic = (typeof statistics)[number];

/** One place of a result table. */
export interface PlacedCell {
  arm: string;
  grid: Readonly<Record<string, Json>>;
  cell: MeasuredCell;
}

/** `:value[mean accuracy]{arm=ours task=sst2}` */
export function resolveValue({ label, attributes }: Directive, facts: DocumentFacts): Measured | Unresolved {
  const read = readLabel(label, attributes["metric"], facts);
  if ("message" in read) return read;
  const table = facts.tables.find((one) => one.metric === read.metric);
  if (table === undefined) return unknownName("metric", read.metric, metricsOf(facts));
  const found = findCell(table, attributes, facts);
  if ("message" in found) return found;
  const seed = attributes["seed"];
  if (seed !== undefined) return singleValue(table, found, seed, read.statistic);
  return statisticOf(table, found, read.statistic ?? "mean");
}

export function isUnresolved(resolved: object): resolved is Unresolved {
  return "next" in resolved;
}

export function metricsOf({ tables }: DocumentFacts): string[] {
  return tables.map(({ metric }) => metric);
}

export function unknownName(kind: string, name: string, known: readonly string[]): Unresolved {
  const meant = suggestion(name, known);
  return { message: `There is no ${kind} \`${name}\`${meant || "."}`, next: `Use one of: ${known.join(", ")}.` };
}

function readLabel(
  label: string,
  attribute: string | undefined,
  facts: DocumentFacts,
): { statistic: Statistic | null; metric: string } | Unresolved {
  const metrics = metricsOf(facts);
  if (attribute === undefined && metrics.includes(label)) return { statistic: null, metric: label };
  if (attribute !== undefined && label === "value") return { statistic: null, metric: attribute };
  const [first = "", ...others] = label.split(/\s+/);
  const named = others.join(" ");
  const statistic = statistics.find((one) => one === first);
  if (statistic !== undefined) {
    return { statistic, metric: attribute ?? (named === "" ? facts.definition.primary_metric : named) };
  }
  const candidates = [...statistics, ...metrics];
  return {
    message: `\`${label}\` names no statistic and no metric${suggestion(label, candidates) || "."}`,
    next: `Write one of ${statistics.join(", ")}, then one of ${metrics.join(", ")}.`,
  };
}

/** The cell that arm, task and grid parameters name. What there is only one of need not be named. */
function findCell(
  table: MeasuredTable,
  attributes: Readonly<Record<string, string>>,
  facts: DocumentFacts,
): PlacedCell | Unresolved {
  const grids = Object.keys(facts.definition.parameters);
  const known = ["arm", "task", "seed", "metric", ...grids];
  const stranger = Object.keys(attributes).find((name) => !known.includes(name));
  if (stranger !== undefined) return unknownName("attribute", stranger, known);
  const all = cellsOf(table);
  const wanted: [string, (one: PlacedCell) => string][] = [
    ["arm", ({ arm }) => arm],
    ["task", ({ cell }) => cell.task],
    ...grids.map((name): [string, (one: PlacedCell) => string] => [
      name,
      ({ grid }) => (Object.hasOwn(grid, name) ? parameterText(grid[name]) : ""),
    ]),
  ];
  let left = all;
  for (const [name, of] of wanted) {
    const there = [...new Set(all.map(of))];
    const value = attributes[name];
    if (value !== undefined) {
      if (!there.includes(value)) return unknownName(name, value, there);
      left = left.filter((one) => of(one) === value);
    } else if (there.length > 1) {
      return {
        message: `The directive does not say which ${name} it means.`,
        next: `Add \`${name}=\` with one of: ${there.join(", ")}.`,
      };
    }
  }
  const [cell] = left;
  return cell ?? { message: "The design has no such cell.", next: "Look at the table: `rigor results EXPERIMENT`." };
}

export function cellsOf(table: MeasuredTable): PlacedCell[] {
  return table.rows.flatMap(({ arm, grid, cells }) => cells.map((cell) => ({ arm, grid, cell })));
}

/** `ours on sst2, lr=0.1` */
export function cellText({ arm, grid, cell: { task } }: PlacedCell): string {
  return placeOfRun({ arm, task, grid });
}

export function placeOfRun({ arm, task, grid }: Pick<DocumentRun, "arm" | "task" | "grid">): string {
  return `${arm} on ${placeText({ task, grid })}`;
}

function singleValue(
  table: MeasuredTable,
  placed: PlacedCell,
  seed: string,
  statistic: Statistic | null,
): Measured | Unresolved {
  if (statistic !== null) {
    return {
      message: `One seed has no ${statistic}.`,
      next: `Leave out \`${statistic}\`, or leave out \`seed=${seed}\`.`,
    };
  }
  const run = placed.cell.values.find((one) => String(one.seed) === seed);
  if (run === undefined) {
    const there = placed.cell.values.map((one) => one.seed).join(", ");
    return {
      message: `${cellText(placed)} has no valid value for seed ${seed}.`,
      next: there === "" ? "Wait for its runs." : `Use one of: ${there}.`,
    };
  }
  return {
    text: withUnit(number(run.value), table.unit),
    about: `${table.metric} of ${cellText(placed)}, seed ${seed}`,
    runs: [run],
    exact: run.value,
  };
}

function statisticOf(table: MeasuredTable, placed: PlacedCell, statistic: Statistic): Measured | Unresolved {
  const { cell } = placed;
  const about = `${table.metric} of ${cellText(placed)}`;
  const values = cell.values.map(({ value }) => value);
  if (statistic === "n") return { text: String(cell.n), about, runs: cell.values, exact: cell.n };
  const exact = exactOf[statistic](cell, values);
  if (exact === null) {
    const lack = cell.n === 0 ? "no valid value" : "no spread to speak of: it has one value";
    return { message: `${cellText(placed)} has ${lack}.`, next: "Wait for its runs, or leave it out." };
  }
  return { text: statisticText(statistic, table, cell, exact), about, runs: cell.values, exact };
}

const exactOf: Readonly<
  Record<Statistic, (cell: MeasuredCell, values: readonly number[]) => number | number[] | null>
> = {
  mean: ({ mean, low, high }) => (mean === null ? null : low === null || high === null ? [mean] : [mean, low, high]),
  interval: ({ low, high }) => (low === null || high === null ? null : [low, high]),
  sd: ({ sd }) => sd,
  median: (_, values) => (values.length === 0 ? null : median(values)),
  min: (_, values) => (values.length === 0 ? null : Math.min(...values)),
  max: (_, values) => (values.length === 0 ? null : Math.max(...values)),
  n: ({ n }) => n,
};

function statisticText(
  statistic: Statistic,
  { unit, level }: MeasuredTable,
  cell: MeasuredCell,
  exact: number | number[],
): string {
  if (typeof exact === "number") return withUnit(number(exact), unit);
  const [first = Number.NaN, second = Number.NaN] = exact;
  if (statistic === "interval") return `${rangeText(first, second, unit)} (${percent(level)} t interval)`;
  const half = halfWidth(cell);
  const mean = half === null ? number(first) : withUncertainty(first, half);
  return `${withUnit(mean, unit)} (n=${cell.n === cell.planned ? cell.n : `${cell.n} of ${cell.planned}`})`;
}

export function withUnit(text: string, unit: string | null): string {
  return unit === null ? text : `${text} ${unit}`;
}

/** `0.08 to 0.12 nats`, rounded to two digits of half their distance. */
export function rangeText(low: number, high: number, unit: string | null): string {
  const { texts, exponent } = roundedBy(halfWidth({ low, high }), [low, high], "two");
  const [first = "", second = ""] = texts.map((text) => quantityText(text, null, exponent));
  return `${first} to ${withUnit(second, unit)}`;
}
