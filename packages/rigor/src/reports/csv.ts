import { canonicalJson, type Json } from "../domain/canonical.ts";

/** One recorded value of one run, with where it comes from. */
export interface TidyRow {
  /** NAME@VERSION. */
  experiment: string;
  run: string;
  arm: string;
  task: string;
  /** What the run got: task, arm and grid parameters merged. */
  parameters: Readonly<Record<string, Json>>;
  seed: number;
  metric: string;
  value: number;
  host: string | null;
  /** The commit that the run was checked out from. */
  commit: string;
  /** ISO 8601, UTC. */
  finished_at: string | null;
}

const before = ["experiment", "run", "arm", "task"] as const;
const after = ["seed", "metric", "value", "host", "commit", "finished_at"] as const;
const fixed: ReadonlySet<string> = new Set([...before, ...after]);
const prefix = "parameters.";

/**
 * Tidy CSV: one line for each value, one column for each parameter, in the order of the rows; parameters by name.
 *
 * - Quoting as in RFC 4180, in UTF-8 without a byte order mark. Lines end with `\n`: every reader of CSV takes it, and
 *   with the `\r\n` of the RFC, tools that work by line would find a `\r` in the last column.
 * - Numbers have the shortest form that reads back as the same number.
 * - An empty field is a missing value. Parameters that are not text are JSON.
 * - A text is written as it is, unless it could be taken for something else; then it is a JSON string, which begins
 *   with `"` and reads back exactly. That holds for a text that begins with `"`, with white space, or with a
 *   character by which a spreadsheet knows a formula (= + - @), and for a parameter that is empty or reads as JSON (`"1"`
 *   is not 1). Numbers are never touched: -0.5 stays -0.5.
 */
export function tidyCsv(rows: readonly TidyRow[]): string {
  const parameters = [...new Set(rows.flatMap((row) => Object.keys(row.parameters)))].sort();
  const header = [...before, ...parameters.map(parameterColumn), ...after];
  const lines = rows.map((row) => [
    ...before.map((column) => textCell(row[column])),
    ...parameters.map((name) => parameterCell(Object.hasOwn(row.parameters, name) ? row.parameters[name] : undefined)),
    ...after.map((column) => fixedCell(row[column])),
  ]);
  return [header, ...lines].map((cells) => `${cells.map(quoted).join(",")}\n`).join("");
}

/** A parameter named like another column gets a prefix; so does one that has the prefix, so that no two are alike. */
function parameterColumn(name: string): string {
  return fixed.has(name) || name.startsWith(prefix) ? prefix + name : textCell(name);
}

function fixedCell(value: string | number | null): string {
  if (value === null) return "";
  return typeof value === "string" ? textCell(value) : numberCell(value);
}

function numberCell(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function parameterCell(value: Json | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return numberCell(value);
  if (typeof value !== "string") return canonicalJson(value);
  return value === "" || readsAsJson(value) ? JSON.stringify(value) : textCell(value);
}

function textCell(text: string): string {
  return /^["\s=+@\-＝＋－＠]/u.test(text) ? JSON.stringify(text) : text;
}

function readsAsJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
