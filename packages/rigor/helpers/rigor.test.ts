import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashInputs } from "./rigor.ts";
import { canonicalJson } from "../src/domain/canonical.ts";

const helpers = import.meta.dirname;

/** The helpers are what other people's programs load, so each test runs a program in its own process. */
interface Language {
  name: string;
  /** A program that opens a run and then does one thing. */
  program(statement: string): string[];
  log(step: string, values: string): string;
  report(metrics: string, hash?: string): string;
  nan: string;
  print(expression: string): string;
}

const typescript: Language = {
  name: "TypeScript",
  program: (statement) => [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    "--input-type=module",
    "--eval",
    `import { hashInputs, openRun } from ${JSON.stringify(join(helpers, "rigor.ts"))};\nconst run = openRun();\n${statement}`,
  ],
  log: (step, values) => `run.log(${step}, ${values})`,
  report: (metrics, hash = "undefined") => `run.report(${metrics}, ${hash})`,
  nan: "Number.NaN",
  print: (expression) => `console.log(JSON.stringify(${expression}))`,
};

const python: Language = {
  name: "Python",
  program: (statement) => [
    "python3",
    "-B",
    "-c",
    `import json, sys\nsys.path.insert(0, ${JSON.stringify(helpers)})\nimport rigor\nrun = rigor.open_run()\n${statement}`,
  ],
  log: (step, values) => `run.log(${step}, ${values})`,
  report: (metrics, hash = "None") => `run.report(${metrics}, ${hash})`,
  nan: 'float("nan")',
  print: (expression) => `print(json.dumps(${expression}))`,
};

let folder: string;
let output: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-helpers-"));
  output = join(folder, "output of a run");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.each([typescript, python])("the $name helper", (language) => {
  function execute(statement: string, variables: Record<string, string> = { RIGOR_OUTPUT: output }) {
    const [command = "", ...rest] = language.program(statement);
    const { PATH = "" } = process.env;
    const { status, stdout, stderr } = spawnSync(command, rest, {
      cwd: folder,
      env: { PATH, ...variables },
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  }

  function succeed(statement: string, variables?: Record<string, string>): string {
    const { status, stdout, stderr } = execute(statement, variables);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    return stdout;
  }

  const result = () => JSON.parse(readFileSync(join(output, "result.json"), "utf8")) as unknown;
  const metricLines = () => readFileSync(join(output, "metrics.jsonl"), "utf8").split("\n");

  test("writes result and metrics as Rigor reads them [helpers.report]", () => {
    const log = [language.log("0", '{"loss": 2, "größe": 1e-9}'), language.log("10", '{"loss": 0.25}')];
    succeed([...log, language.report('{"accuracy": 0.5, "n": 3}', '"abc"')].join("\n"));

    expect(result()).toEqual({ metrics: { accuracy: 0.5, n: 3 }, inputs_hash: "abc" });
    const lines = metricLines();
    expect(lines.pop()).toBe("");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { step: 0, loss: 2, größe: 1e-9 },
      { step: 10, loss: 0.25 },
    ]);
    expect(readdirSync(output).toSorted()).toEqual(["metrics.jsonl", "result.json"]);
  });

  test("leaves inputs_hash out if there is none; the last report counts", () => {
    succeed(`${language.report('{"a": 1}', '"x"')}\n${language.report('{"a": 2}')}`);
    expect(result()).toEqual({ metrics: { a: 2 } });
  });

  test("has handed a line over when log returns: a run that is killed keeps it [helpers.report]", () => {
    const kill = language === python ? "import os\nos.kill(os.getpid(), 9)" : 'process.kill(process.pid, "SIGKILL")';
    execute(`${language.log("1", '{"loss": 1}')}\n${kill}`);
    expect(metricLines()).toEqual([expect.stringMatching(/^\{"step": ?1, ?"loss": ?1(\.0)?\}$/), ""]);
  });

  test.each([
    ["a value that is not finite", () => language.report(`{"accuracy": ${language.nan}}`), /metric "accuracy" is nan/i],
    ["a value that is not a number", () => language.report('{"accuracy": "0.9"}'), /metric "accuracy" is .*0\.9/],
    ["a result without metrics", () => language.report("{}"), /there is no metric/],
    [
      "a logged value that is not finite",
      () => language.log("1", `{"loss": ${language.nan}}`),
      /metric "loss" is nan/i,
    ],
    ["a negative step", () => language.log("-1", '{"loss": 1}'), /step -1 is not/],
    ["a metric named step", () => language.log("1", '{"step": 1}'), /"step" is not a metric/],
  ])("refuses %s and writes nothing [F12]", (_, statement, message) => {
    const { status, stderr } = execute(statement());
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(readdirSync(output)).toEqual([]);
  });

  test("reads what the run was given", () => {
    const parameters = join(folder, "parameters.json");
    writeFileSync(parameters, '{"lr": 0.5, "name": "größer \\"x\\""}');
    const variables = {
      RIGOR_RUN_ID: "r1",
      RIGOR_ARM: "ours",
      RIGOR_TASK: "two words",
      RIGOR_SEED: "-7",
      RIGOR_PARAMETERS: parameters,
      RIGOR_OUTPUT: output,
      RIGOR_ATTEMPT: "2",
      RIGOR_RESUME: join(folder, "checkpoints"),
    };
    const fields = "[run.id, run.arm, run.task, run.seed, run.parameters, run.output, run.attempt, run.resume]";
    expect(JSON.parse(succeed(language.print(fields), variables))).toEqual([
      "r1",
      "ours",
      "two words",
      -7,
      { lr: 0.5, name: 'größer "x"' },
      output,
      "2",
      variables.RIGOR_RESUME,
    ]);
  });

  test("finds what the run is given of others, and names what it is not given [helpers.report]", () => {
    const needs = join(folder, "needs of it");
    mkdirSync(join(needs, "pre training/bert"), { recursive: true });
    const variables = { RIGOR_ARM: "probe", RIGOR_OUTPUT: output, RIGOR_NEEDS: needs };
    const asked = language.print('run.need("pre training/bert")');
    expect(JSON.parse(succeed(asked, variables))).toBe(join(needs, "pre training/bert"));
    const { status, stderr } = execute(language.print('run.need("gpt")'), variables);
    expect(status).not.toBe(0);
    expect(stderr).toContain('nothing is given as "gpt": list it under `needs` of the arm "probe"');
  });

  test.each([
    ["a seed that is no integer", { RIGOR_SEED: "one" }, /RIGOR_SEED is "one", not an integer/],
    ["parameters that do not exist", { RIGOR_PARAMETERS: "/nowhere.json" }, /RIGOR_PARAMETERS names \/nowhere\.json/],
  ])("refuses %s", (_, variables, message) => {
    const { status, stderr } = execute("", { RIGOR_OUTPUT: output, ...variables });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
  });

  test("works without Rigor: seed 0, its own directory, each time anew, and says so [helpers.report]", () => {
    const statement = `${language.log("1", '{"loss": 1}')}\n${language.report('{"a": 1}')}\n${language.print("run.seed")}`;
    execute(statement, {});
    const { stdout, stderr } = execute(statement, {});
    expect(stdout.trim()).toBe("0");
    expect(stderr).toMatch(/^rigor: not inside a run: seed 0, output in .*rigor-output\n$/);
    expect(readFileSync(join(folder, "rigor-output", "metrics.jsonl"), "utf8").split("\n")).toHaveLength(2);
    expect(readdirSync(join(folder, "rigor-output")).toSorted()).toEqual(["metrics.jsonl", "result.json"]);
  });

  test("needs no other package: alone in a directory it works [helpers.report]", () => {
    const alone = join(folder, "alone");
    mkdirSync(alone);
    const [file, start] =
      language === python ? ["rigor.py", ["python3", "-S", "-B"]] : ["rigor.ts", [process.execPath]];
    writeFileSync(join(alone, file), readFileSync(join(helpers, file)));
    expect(execFileSync(start[0] ?? "", [...start.slice(1), join(alone, file)], { encoding: "utf8" })).toBe("");
  });
});

describe("parameters in TypeScript", () => {
  test.each([
    ['run.number("lr")', "0.5"],
    ['run.number("absent", 3)', "3"],
    ['run.text("name")', '"x"'],
    ['run.text("absent", "y")', '"y"'],
  ])("%s is %s", (expression, expected) => {
    expect(readParameter(expression).stdout.trim()).toBe(expected);
  });

  test.each([
    ['run.number("name")', 'parameter "name" is "x", not a finite number'],
    ['run.text("lr")', 'parameter "lr" is 0.5, not a text'],
    ['run.number("toString")', 'parameter "toString" is missing: the experiment declares lr, name'],
  ])("%s fails: %s", (expression, message) => {
    expect(readParameter(expression).stderr).toContain(message);
  });

  function readParameter(expression: string) {
    const parameters = join(folder, "parameters.json");
    writeFileSync(parameters, '{"lr": 0.5, "name": "x"}');
    const [command = "", ...rest] = typescript.program(typescript.print(expression));
    const env = { RIGOR_OUTPUT: output, RIGOR_PARAMETERS: parameters };
    return spawnSync(command, rest, { encoding: "utf8", env });
  }
});

describe("hashes of inputs", () => {
  const wellFormed = fc.string({ unit: "grapheme" });
  const values = fc.jsonValue({ stringUnit: "grapheme" });

  test("are equal in both languages", () => {
    // Python refuses integers that it can tell apart and a 64-bit floating-point number cannot.
    const samples = fc
      .sample(fc.array(values, { maxLength: 4 }), { numRuns: 400, seed: 1 })
      .filter((sample) => !/[0-9]{16}/.test(JSON.stringify(sample).replaceAll(/\.[0-9]+/g, "")));
    expect(samples.length).toBeGreaterThan(200);
    samples.push(
      [1e-7, 1e21, 1.5e300, 0.1 + 0.2, -0, 2 ** 53, 5e-324],
      [{ "\u{10000}": 1, "\uffff": 2, a: null }],
      ["é\u0000😀"],
    );
    const path = join(folder, "samples.json");
    writeFileSync(path, JSON.stringify(samples));
    const program = `for values in json.load(open(${JSON.stringify(path)}, encoding="utf-8")): print(rigor.hash_inputs(*values))`;
    const [command = "", ...rest] = python.program(program);
    const { PATH = "" } = process.env;
    const env = { PATH, RIGOR_OUTPUT: output };
    const printed = execFileSync(command, rest, { encoding: "utf8", env }).trim().split("\n");
    // JSON has no -0 in JavaScript: what Python read is what JavaScript wrote.
    const written = JSON.parse(JSON.stringify(samples)) as unknown[][];
    expect(printed).toEqual(written.map((each) => hashInputs(...each)));
  });

  test("differ for different values and do not depend on the order of keys", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        expect(hashInputs(a) === hashInputs(b)).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
    fc.assert(
      fc.property(fc.dictionary(wellFormed, fc.integer()), (object) => {
        expect(hashInputs(Object.fromEntries(Object.entries(object).toReversed()))).toBe(hashInputs(object));
      }),
    );
  });

  test("tell apart what only looks alike", () => {
    const alike = [
      ["ab", "c"],
      ["a", "bc"],
      [["ab", "c"]],
      [1],
      ["1"],
      [true],
      [null],
      [Buffer.from("1")],
      [[]],
      [{}],
      [],
    ];
    expect(new Set(alike.map((each) => hashInputs(...each))).size).toBe(alike.length);
    expect(hashInputs(Float64Array.of(1, 2))).toBe(hashInputs([1, 2]));
    expect(hashInputs(-0)).toBe(hashInputs(0));
  });

  test.each([[Number.NaN], [undefined], [new Date()], ["\ud800"], [new Map()]])("refuse %s", (value) => {
    expect(() => hashInputs(value)).toThrow("cannot be hashed");
  });

  /** Equal for values that are equal as JSON, whatever the order of keys; -0 is 0. */
});

test("the Python helper is written for Python 3.8", () => {
  const path = JSON.stringify(join(helpers, "rigor.py"));
  const check = `import ast; ast.parse(open(${path}, encoding="utf-8").read(), feature_version=(3, 8))`;
  const { status, stderr } = spawnSync("python3", ["-c", check], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
