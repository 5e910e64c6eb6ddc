import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "../domain/canonical.ts";
import { tidyCsv, type TidyRow } from "./csv.ts";

const row = (changes: Partial<TidyRow> = {}): TidyRow => ({
  experiment: "lr@1",
  run: "r1",
  arm: "ours",
  task: "sst2",
  parameters: {},
  seed: 0,
  metric: "accuracy",
  value: 0.5,
  host: "local",
  commit: "c0ffee",
  finished_at: "2030-01-01T00:00:02.000Z",
  ...changes,
});

/** A reader by the letter of RFC 4180, with `\n` for the end of a line. */
function parse(csv: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < csv.length) {
    let field = "";
    if (csv[at] === '"') {
      for (at += 1; csv[at] !== '"' || csv[at + 1] === '"'; at += 1) {
        if (at >= csv.length) throw new Error("a quote is not closed");
        if (csv[at] === '"') at += 1;
        field += csv[at];
      }
      at += 1;
    } else {
      for (; at < csv.length && csv[at] !== "," && csv[at] !== "\n"; at += 1) {
        if (csv[at] === '"' || csv[at] === "\r") throw new Error(`a bare ${JSON.stringify(csv[at])}`);
        field += csv[at];
      }
    }
    record.push(field);
    if (csv[at] === "\n") {
      records.push(record);
      record = [];
    } else if (csv[at] !== ",") throw new Error(`no separator at ${at}`);
    at += 1;
  }
  return records;
}

const readText = (field: string): string => (field.startsWith('"') ? (JSON.parse(field) as string) : field);
const readNullable = (field: string): string | null => (field === "" ? null : readText(field));

function readParameter(field: string): Json {
  try {
    return JSON.parse(field) as Json;
  } catch {
    return field;
  }
}

const fixed = new Set(["experiment", "run", "arm", "task", "seed", "metric", "value", "host", "commit", "finished_at"]);

/** What the documentation of `tidyCsv` says about reading it back. */
function read(csv: string): TidyRow[] {
  const [header = [], ...lines] = parse(csv);
  return lines.map((line) => {
    expect(line).toHaveLength(header.length);
    const cell = (column: string): string => line[header.indexOf(column)] ?? "";
    const parameters = header.flatMap((column, index): [string, Json][] => {
      const field = line[index] ?? "";
      if (fixed.has(column) || field === "") return [];
      return [[column.startsWith("parameters.") ? column.slice(11) : readText(column), readParameter(field)]];
    });
    return {
      experiment: readText(cell("experiment")),
      run: readText(cell("run")),
      arm: readText(cell("arm")),
      task: readText(cell("task")),
      parameters: Object.fromEntries(parameters),
      seed: Number(cell("seed")),
      metric: readText(cell("metric")),
      value: Number(cell("value")),
      host: readNullable(cell("host")),
      commit: readText(cell("commit")),
      finished_at: readNullable(cell("finished_at")),
    };
  });
}

const awkward = fc.constantFrom(
  "=1+1",
  "+x",
  "-x",
  "@x",
  "＝1",
  '"',
  '""',
  ",",
  "\n",
  "\r\n",
  " x ",
  "1",
  "null",
  "{}",
  "ä,ö",
);
const text = fc.oneof(fc.string({ unit: "binary" }), awkward);
const name = text.filter((one) => one !== "" && one !== "__proto__");
const parameterName = fc.oneof(name, fc.constantFrom("seed", "value", "parameters.seed", "parameters.", "lr"));
// Parsed again, because JSON has no -0.
const value = fc.oneof(
  text,
  fc.jsonValue().map((one) => JSON.parse(JSON.stringify(one)) as Json),
);
const anyRow: fc.Arbitrary<TidyRow> = fc.record({
  experiment: name,
  run: name,
  arm: name,
  task: name,
  parameters: fc.dictionary(parameterName, value, { maxKeys: 4, noNullPrototype: true }),
  seed: fc.maxSafeInteger(),
  metric: name,
  value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  host: fc.option(name),
  commit: name,
  finished_at: fc.option(name),
});

describe("tidy CSV", () => {
  test("has one line for each value and one column for each parameter [export.formats]", () => {
    const csv = tidyCsv([
      row({ parameters: { lr: 0.1, depth: 3 } }),
      row({ parameters: { lr: 1e-7 }, metric: "loss", value: 0.1 + 0.2, host: null, finished_at: null }),
    ]);
    expect(csv).toBe(
      "experiment,run,arm,task,depth,lr,seed,metric,value,host,commit,finished_at\n" +
        "lr@1,r1,ours,sst2,3,0.1,0,accuracy,0.5,local,c0ffee,2030-01-01T00:00:02.000Z\n" +
        "lr@1,r1,ours,sst2,,1e-7,0,loss,0.30000000000000004,,c0ffee,\n",
    );
  });

  test("without values it is a header", () => {
    expect(tidyCsv([])).toBe("experiment,run,arm,task,seed,metric,value,host,commit,finished_at\n");
  });

  test("a parameter named like another column gets a prefix, and no two columns are alike", () => {
    const [header = []] = parse(tidyCsv([row({ parameters: { seed: 9, "parameters.seed": 8, lr: 1 } })]));
    expect(header.slice(4, 7)).toEqual(["lr", "parameters.parameters.seed", "parameters.seed"]);
  });

  test("no text can be taken for a formula, and a negative number stays a number", () => {
    const cells = (csv: string): string[] => parse(csv).flat();
    fc.assert(
      fc.property(anyRow, (one) => {
        for (const cell of cells(tidyCsv([one]))) expect(cell).toMatch(/^(?![\s=+@＝＋－＠-])|^-[\d.e+-]+$/u);
      }),
    );
    expect(tidyCsv([row({ value: -0.25, arm: "=1+1" })])).toContain('"""=1+1""",sst2,0,accuracy,-0.25,');
  });

  test("a reader gets back exactly what was written, whatever the names and values [export.formats]", () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 5 }), (rows) => {
        expect(read(tidyCsv(rows))).toEqual(rows);
      }),
      { numRuns: 500 },
    );
  });
});
