import type { Paint } from "./terminal.ts";
import { oneLine, pad, textWidth, truncate } from "./text.ts";

export interface Column {
  title: string;
  align?: "left" | "right";
}

export interface TableOptions {
  columns: readonly Column[];
  rows: readonly (readonly string[])[];
  /** Terminal columns; the last column is cut to fit. */
  width?: number;
  header?: Paint;
  /** Paints a cell after it was aligned. */
  paint?: (text: string, row: number, column: number) => string;
}

const gap = "  ";

/** Aligned lines, each without spaces at its end. A cell is always one line. */
export function table({ columns, rows, width = Number.POSITIVE_INFINITY, header, paint }: TableOptions): string[] {
  const cells = rows.map((row) => row.map(oneLine));
  const widths = columns.map(({ title }, index) =>
    Math.max(textWidth(title), ...cells.map((row) => textWidth(row[index] ?? ""))),
  );
  const last = columns.length - 1;
  const before = widths.slice(0, last).reduce((sum, column) => sum + column + gap.length, 0);
  const lastWidth = Math.max(textWidth(columns[last]?.title ?? ""), Math.min(widths[last] ?? 0, width - before));

  const line = (row: readonly string[], finish: (text: string, column: number) => string): string =>
    columns
      .map(({ align = "left" }, index) => {
        const text = row[index] ?? "";
        const fitted = index === last ? truncate(text, lastWidth) : text;
        const space = index === last && align === "left" ? 0 : index === last ? lastWidth : (widths[index] ?? 0);
        return finish(pad(fitted, space, align), index);
      })
      .join(gap)
      .trimEnd();

  const titles = columns.map(({ title }) => title);
  const body = cells.map((row, index) => line(row, (text, column) => (paint ? paint(text, index, column) : text)));
  if (titles.every((title) => title === "")) return body;
  return [line(titles, (text) => (header ? header(text) : text)), ...body];
}

/** `name   value` lines; further lines of a value stand below it. Entries without a value are left out. */
export function facts(entries: readonly (readonly [string, string | null])[], paint: Paint): string[] {
  const given = entries.filter((entry): entry is readonly [string, string] => entry[1] !== null && entry[1] !== "");
  const width = Math.max(0, ...given.map(([name]) => textWidth(name)));
  return given.flatMap(([name, value]) =>
    value.split("\n").map((text, index) => `  ${paint(pad(index === 0 ? name : "", width))}  ${text}`.trimEnd()),
  );
}
