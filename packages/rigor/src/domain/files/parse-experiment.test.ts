import { describe, expect, test } from "vitest";
import { RigorError } from "../errors.ts";
import { parseExperiment, type ParseOptions } from "./parse-experiment.ts";

const full = `name: superposition-vs-sparsity
question: Do sparser inputs make two hidden units represent more than two features?
metrics:
  features_represented: { goal: maximize, range: [0, 5] }
  loss: { goal: minimize, range: [0, null] }
primary_metric: features_represented
arms:
  dense:  { role: baseline, parameters: { feature_probability: 1.0 } }
  sparse: { role: ours, parameters: { feature_probability: 0.05 } }
tasks:
  five-in-two: { parameters: { n_features: 5, n_hidden: 2 } }
parameters: {}
seeds: [0, 1, 2, 3, 4]
code: [examples/superposition]
environment: { manager: npm, lock: package-lock.json, setup: npm ci }
inputs: { corpus: { path: ./data//corpus.txt } }
run: node examples/superposition/train.ts --p {parameters.feature_probability} {inputs.corpus}
resources: { cpus: 1, gpus: 0, gpu_memory: null, memory: 1GB, time: 10m }
outputs: { result: result.json, artifacts: [model.safetensors] }
checks: { chance: { features_represented: 0 }, same_inputs: true }
stages:
  - { name: pilot, seeds: [0], pass: { all_succeed: true } }
  - { name: full }
decision:
  comparisons:
    - { better: sparse, than: dense, metric: features_represented, test: paired-t, alpha: 0.05, min_effect: 1 }
  correction: holm
budget: { gpu_hours: 0, wall: 1h }
retry: { infrastructure: 3, preemption: unlimited, code: 0 }
compute: [local]
`;

const small = `name: small
metrics: { acc: { goal: maximize } }
arms: { a: {}, b: }
tasks: { t: }
seeds: { count: 3, from: 10 }
run: [./train, "{seed}"]
`;

function parse(text: string, options: Partial<ParseOptions> = {}) {
  return parseExperiment(text, { file: "e.yaml", ...options });
}

/** The lines of the error that a text gives. */
function problems(text: string, options: Partial<ParseOptions> = {}): string[] {
  try {
    parse(text, options);
  } catch (error) {
    if (!(error instanceof RigorError)) throw error;
    expect(error.next).toBeTypeOf("string");
    return [error.code, ...error.message.split("\n")];
  }
  return [];
}

/** The only problem of the full example after one change. */
function problemAfter(from: string, to: string, text = full): string {
  expect(text).toContain(from);
  const [code, ...lines] = problems(text.replace(from, to));
  expect(code, `${from} -> ${to}`).toBe("file-invalid");
  expect(lines, lines.join("\n")).toHaveLength(1);
  return lines[0] ?? "";
}

describe("a good file", () => {
  test("gives its content with units resolved and paths normalised", () => {
    const experiment = parse(full);
    expect(experiment.resources).toEqual({ cpus: 1, gpus: 0, gpu_memory: null, memory: 1e9, time: 600 });
    expect(experiment.budget).toEqual({ gpu_hours: 0, wall: 3600 });
    expect(experiment.inputs).toEqual({ corpus: { path: "data/corpus.txt" } });
    expect(experiment.metrics["loss"]).toEqual({ goal: "minimize", range: [0, null], unit: null });
    expect(experiment.stages[0]).toEqual({
      name: "pilot",
      seeds: [0],
      arms: null,
      tasks: null,
      pass: { all_succeed: true, metrics: [] },
    });
  });

  const plainArm = { role: "other", parameters: {}, needs: [], metrics: null, artifacts: null };
  test("gets defaults for all that it does not say", () => {
    expect(parse(small)).toEqual({
      name: "small",
      question: null,
      hypothesis: null,
      metrics: { acc: { goal: "maximize", range: [null, null], unit: null } },
      primary_metric: "acc",
      arms: { a: plainArm, b: plainArm },
      tasks: { t: { parameters: {} } },
      parameters: {},
      seeds: [10, 11, 12],
      code: ["."],
      environment: { manager: "none", lock: null, setup: null, variables: {}, pass: [] },
      needs: [],
      inputs: {},
      run: ["./train", "{seed}"],
      resources: { cpus: 1, gpus: 0, gpu_memory: null, memory: null, time: null },
      outputs: { result: "result.json", artifacts: [] },
      checks: { chance: {}, same_inputs: true, zero_allowed: [], constant_allowed: [] },
      stages: [{ name: "full", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } }],
      decision: null,
      budget: { gpu_hours: null, wall: null },
      retry: { infrastructure: 3, preemption: "unlimited", code: 0 },
      compute: ["local"],
    });
  });

  test("may name arms and tasks with spaces and letters of any script, and like members of objects", () => {
    const text = small.replace("a: {}", '"naïve Bayes": {}, constructor: {}, "1": {}').replace("t: }", "日本語: }");
    expect(Object.keys(parse(text).arms).toSorted()).toEqual(["1", "b", "constructor", "naïve Bayes"]);
    expect(Object.keys(parse(text).tasks)).toEqual(["日本語"]);
  });

  test("may use an alias for a whole value", () => {
    const text = small.replace("a: {}, b: }", "a: &x { parameters: { lr: 0.1 } }, b: *x }");
    expect(parse(text).arms["b"]?.parameters).toEqual({ lr: 0.1 });
  });

  test("may begin with a byte order mark and end its lines as Windows does", () => {
    expect(parse(`\uFEFF${full.replaceAll("\n", "\r\n")}`)).toEqual(parse(full));
  });

  test("gets the usual lock file of its manager", () => {
    expect(parse(`${small}environment: { manager: uv }\n`).environment.lock).toBe("uv.lock");
  });
});

describe("keys and values", () => {
  test.each([
    [
      "role: baseline",
      "role: basline",
      "8:19: arms.dense.role: found text `basline`, expected one of `baseline`, `ours`, `ablation`, `control`, `other`; did you mean `baseline`?",
    ],
    ["cpus: 1,", "cpus: 1.5,", "18:20: resources.cpus: found number `1.5`, expected a whole number"],
    ["cpus: 1,", "cpus: abc,", "18:20: resources.cpus: found text `abc`, expected a whole number"],
    ["cpus: 1,", "cpus: 0,", "18:20: resources.cpus: found number `0`, expected a number of at least 1"],
    ["alpha: 0.05", "alpha: 1", "found number `1`, expected a number of less than 1"],
    ["min_effect: 1", "min_effect: .nan", "found number `.nan`, expected a number"],
    ["same_inputs: true", "same_inputs: yes", "found text `yes`, expected `true` or `false`"],
    ["memory: 1GB", "memory: 1GX", "`GX` is no unit of size; allowed: B, kB, MB"],
    ["time: 10m", "time: soon", "found text `soon`; expected a duration such as `10m`"],
    ["setup: npm ci", "setup: 3", "found number `3`, expected text; put it in quotes"],
    ["compute: [local]", "compute: local", "30:10: compute: found text `local`, expected a list"],
    ["compute: [local]", "compute: []", "30:10: compute: found an empty list, expected at least 1"],
    ["range: [0, 5]", "range: [5, 0]", "found the list `[5,0]`; expected two numbers"],
    ["range: [0, 5]", "range: [.nan, -.inf]", "found the list `[.nan,-.inf]`; expected two numbers"],
    ["preemption: unlimited", "preemption: often", "expected a whole number of at least 0, or `unlimited`"],
    [
      "name: superposition",
      "name: -superposition",
      'found the name "-superposition-vs-sparsity"; allowed: letters, digits',
    ],
    ["  dense: ", '  " dense": ', '8:3: arms: the name " dense" starts or ends with white space'],
    ["n_hidden: 2", "n hidden: 2", '11:47: tasks.five-in-two.parameters: found the name "n hidden"; allowed: letters'],
    ["n_hidden: 2", "n_hidden: .inf", "must be text, a finite number"],
    [
      "code: [examples/superposition]",
      "code: [../other]",
      "found text `../other`; expected a path relative to the repository, without `..`",
    ],
    ["code: [examples/superposition]", "code: [/etc]", "not one that starts at `/`"],
    [
      "code: [examples/superposition]",
      "code: [a, ./a]",
      'code[1]: "a" is listed twice; the first is at line 14, column 8',
    ],
    [
      "result: result.json",
      "result: a/../../x",
      "outputs.result: found text `a/../../x`; expected a path relative to the output directory",
    ],
    ["result: result.json", "result: .", "`.` is the output directory itself"],
    ["run: node", 'run: "\\0node', "a command cannot hold a NUL byte"],
    ["question: Do", "question: 5 #", "found number `5`, expected text; put it in quotes"],
  ])("%s -> %s is told with its place [file.position]", (from, to, expected) => {
    const changed = from === "run: node" ? full.replace(/(run: .*)\n/, '$1"\n') : full;
    const problem = problemAfter(from, to, changed);
    expect(problem).toMatch(/^e\.yaml:\d+:\d+: /);
    expect(problem).toContain(expected);
  });

  test("an unknown key is told at its place with the key that was meant [file.unknown-key]", () => {
    expect(problemAfter("role: baseline", "rolle: baseline")).toBe(
      "e.yaml:8:13: arms.dense: the key `rolle` is unknown; did you mean `role`? (allowed: role, parameters, needs, metrics, artifacts)",
    );
    expect(problemAfter("compute:", "computer:")).toMatch(
      /^e\.yaml:30:1: the key `computer` is unknown; did you mean `compute`\?/,
    );
    expect(problemAfter("budget:", "zzzzzzzz:")).not.toContain("did you mean");
    // A required key with another spelling is there: it is not missing as well.
    expect(problemAfter("metrics:", "metric:")).toMatch(
      /^e\.yaml:3:1: the key `metric` is unknown; did you mean `metrics`\?[^\n]*$/,
    );
  });

  test("a missing key is told at the mapping that lacks it [file.position]", () => {
    expect(problemAfter("goal: maximize, ", "")).toBe(
      "e.yaml:4:3: metrics.features_represented: the key `goal` is missing; expected one of `maximize`, `minimize`",
    );
    expect(problemAfter("seeds: [0, 1, 2, 3, 4]\n", "")).toContain("e.yaml:1:1: the key `seeds` is missing");
  });

  test("all problems of a file are told in its order, ten at most [file.position]", () => {
    const bad = full.replaceAll(/(\w+): (true|\d+(\.\d+)?)\b(?=[ ,}])/g, "$1: { x: 1 }").replace("[local]", "local");
    const [, ...lines] = problems(`${bad}extra: 1\nmore: 2\n`);
    expect(lines).toHaveLength(11);
    const places = lines.slice(0, 10).map((line) => line.split(":").slice(1, 3).map(Number));
    expect(places).toEqual(places.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d));
    expect(lines[10]).toMatch(/^and \d+ more$/);
  });

  test("an argument that is no text is refused, because it would not be passed as written [file.arguments-exact]", () => {
    expect(problemAfter('"{seed}"]', "1.0]", small)).toContain("argument 2 is no text; put it in quotes");
  });
});

describe("text that is no experiment [file.bad-input]", () => {
  test.each([
    ["", "1:1: the file is empty"],
    ["# only a comment\n", "1:1: the file is empty"],
    ["- a\n", 'found the list `["a"]`, expected a mapping'],
    ["text", "found text `text`, expected a mapping"],
    ["a: [1, 2\n", "the indentation or a bracket is wrong"],
    ["a: 1\nb: 2\na: 3\n", "3:1: the key `a` is there twice; the first is at line 1, column 1"],
    ['a: { "1": x, 1: y }', "the key `1` is there twice"],
    ["a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "2:1: found `<<<<<<<`, a mark of an unfinished merge"],
    ["a:\n\tb: 1\n", "2:1: found a tab before the text; indent with spaces"],
    ["a: 1\n---\nb: 2\n", "2:1: found a second document"],
    ["a: &a [*a]\n", "lies inside what it names"],
    ["a: *b\n", "found `*b`, but no `&b` before it"],
    [bomb(), "the file uses its anchors too often"],
    ["[".repeat(100_000), "nested too deeply"],
    [`a: ${"[".repeat(200)}${"]".repeat(200)}`, "nested too deeply"],
    ["a: !!binary aGVsbG8=\n", "tags are not allowed"],
    ["a: !secret x\n", "tags are not allowed"],
    ["<<: { a: 1 }\n", "merge keys (`<<`) are not allowed"],
    ["__proto__: { a: 1 }\n", "`__proto__` is not allowed"],
    ["? [a]\n: b\n", "where a key belongs"],
    ["a: x\u0000y\n", "1:5: found the character U+0000"],
    ["a: x\uFFFDy\n", "expected text in UTF-8"],
    ["%YAML 1.1\n---\na: 1\n", "only YAML 1.2 is read"],
    [
      "a: 12345678901234567890\n",
      "cannot be kept exactly, and whole numbers go to 9007199254740991; if it is text, put",
    ],
    ["a: @x\n", "text cannot start with `@`; put it in quotes"],
    ["#".repeat(1_000_001), "at most 1000000 are allowed"],
  ])("%#: %.40j", (text, expected) => {
    const [code, first] = problems(text);
    expect(code).toBe("file-invalid");
    expect(first).toContain(expected);
  });

  function bomb(): string {
    const lines = ["a0: &a0 [x, x]"];
    for (let level = 1; level < 30; level++) lines.push(`a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`);
    return lines.join("\n");
  }
});

describe("seeds", () => {
  test("a seed listed twice is told with both places [file.bad-input]", () => {
    expect(problemAfter("seeds: [0, 1, 2, 3, 4]", "seeds: [0, 1, 0x1]")).toBe(
      "e.yaml:13:15: seeds[2]: seed 1 is listed twice; the first is at line 13, column 12",
    );
  });

  test.each([
    ["5", "for 5 seeds write `{ count: 5 }`"],
    ["[0, -1]", "expected a whole number from 0"],
    ["[0, 1.5]", "expected a whole number from 0"],
    ["{ count: 0 }", "`count` must be a whole number of at least 1"],
    ["{ count: 2, form: 1 }", "`form` is unknown here"],
    ["[]", "zero runs"],
  ])("%s is refused [file.bad-input]", (seeds, expected) => {
    expect(problemAfter("{ count: 3, from: 10 }", seeds, small)).toContain(expected);
  });
});

describe("the number of runs", () => {
  test.each([
    ["arms: { a: {}, b: }", "arms: {}"],
    ["tasks: { t: }", "tasks: {}"],
    ["run:", "parameters: { lr: { values: [] } }\nrun:"],
  ])("no runs: %s -> %s [file.bad-input]", (from, to) => {
    expect(problemAfter(from, to, small)).toMatch(/zero runs|empty list/);
  });

  test("a million runs are refused above a limit that can be raised [file.too-many-runs]", () => {
    const million = small.replace("count: 3", "count: 500000");
    expect(problems(million)).toEqual([
      "limit-exceeded",
      expect.stringMatching(/^e\.yaml:\d+:1: the experiment asks for 1,000,000 runs; the limit is 10,000\.$/),
    ]);
    expect(() => parse(million)).toThrow(
      expect.objectContaining({ next: expect.stringContaining("--max-runs 1000000") }),
    );
    expect(parse(million, { maxRuns: 1_000_000 }).seeds).toHaveLength(500_000);
  });

  test("a grid or a range of any size is refused without being made [file.too-many-runs]", () => {
    const values = Array.from({ length: 100 }, (_, value) => value).join();
    const grid = Array.from({ length: 10 }, (_, name) => `p${name}: { values: [${values}] }`).join();
    expect(problems(`${small}parameters: { ${grid} }\n`)[0]).toBe("limit-exceeded");
    expect(problems(small.replace("count: 3", "count: 9000000000000000"))[0]).toBe("limit-exceeded");
    const stages = "stages: [{ name: s, seeds: { count: 9000000000000000, from: 10 } }]\n";
    expect(problems(small + stages)[1]).toContain("the seed 9000000000000009 is not among the seeds");
  });
});

describe("names that refer to other parts [file.position]", () => {
  test.each([
    ["primary_metric: features_represented\n", "", "1:1: the key `primary_metric` is missing; with several metrics"],
    [
      "primary_metric: features_represented",
      "primary_metric: los",
      "6:17: primary_metric: there is no metric `los`; did you mean `loss`?",
    ],
    [
      "better: sparse",
      "better: sparce",
      "26:17: decision.comparisons[0].better: there is no arm `sparce`; did you mean `sparse`?",
    ],
    ["than: dense", "than: sparse", "the arm `sparse` cannot be compared with itself"],
    ["metric: features_represented, test", "metric: x, test", "there is no metric `x`"],
    ["min_effect: 1 }", "task: x }", "there is no task `x` (allowed: five-in-two)"],
    ["seeds: [0],", "seeds: [0, 9],", "22:31: stages[0].seeds[1]: the seed 9 is not among the seeds of the experiment"],
    ["seeds: [0],", "arms: [x],", "stages[0].arms[0]: there is no arm `x`"],
    ["seeds: [0],", "tasks: [x],", "stages[0].tasks[0]: there is no task `x`"],
    ["name: full", "name: pilot", "the stage `pilot` is there twice; the first is at line 22, column 7"],
    ["name: full", "name: full, arms: [sparse]", "the arm `dense` is not in the last stage"],
    [
      "chance: { features_represented",
      "chance: { constructor",
      "20:21: checks.chance.constructor: there is no metric `constructor`",
    ],
    [
      "parameters: {}",
      "parameters: { n_hidden: { values: [1, 2] } }",
      "11:47: tasks.five-in-two.parameters.n_hidden: the parameter `n_hidden` is also set by parameters.n_hidden at line 12, column 15; set it in one place",
    ],
    ["parameters: {}", "parameters: { lr: { values: [1, 1.0] } }", "1 is listed twice"],
    ["gpu_memory: null", "gpu_memory: 1GB", "but `gpus` is 0"],
    ["lock: package-lock.json", "lock: null", "the manager `npm` needs a lock file"],
  ])("%s -> %s", (from, to, expected) => {
    const problem = problemAfter(from, to);
    expect(problem).toMatch(/^e\.yaml:\d+:\d+: /);
    expect(problem).toContain(expected);
  });

  test("a parameter that arms and tasks both set is told at each arm", () => {
    const [, ...lines] = problems(full.replace("{ n_features: 5,", "{ feature_probability: 5,"));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe(
      "e.yaml:8:43: arms.dense.parameters.feature_probability: the parameter `feature_probability` is also set by " +
        "tasks.five-in-two.parameters.feature_probability at line 11, column 32; set it in one place",
    );
  });

  test("a placeholder that not every run can fill is refused with a suggestion [file.placeholders] [file.position]", () => {
    expect(problemAfter("{parameters.feature_probability}", "{parameters.feature_probabilty}")).toContain(
      "e.yaml:17:6: run: `{parameters.feature_probabilty}` names no parameter of every run; did you mean `{parameters.feature_probability}`?",
    );
    expect(problemAfter("role: ours, parameters: { feature_probability: 0.05 }", "role: ours")).toContain(
      "names no parameter of every run",
    );
    expect(problemAfter("{inputs.corpus}", "{inputs.corpora}")).toContain("did you mean `{inputs.corpus}`?");
    expect(problemAfter('"{seed}"]', '"{parameters.lr}"]', small)).toContain("e.yaml:6:16: run[1]: `{parameters.lr}`");
  });

  test("compute that rigor.yaml does not have is refused where its names are given", () => {
    expect(problems(full, { compute: ["local"] })).toEqual([]);
    expect(problems(full, { compute: ["laptop"] })[1]).toContain(
      "e.yaml:30:11: compute[0]: there is no compute `local`",
    );
  });
});

describe("stages that pass by their metrics", () => {
  const selecting = "seeds: [0], pass: { metrics: [{ metric: loss, at_most: 1 }] }";

  test("may not share runs with the last stage, which would select on the outcome [F53]", () => {
    const problem = problemAfter("seeds: [0], pass: { all_succeed: true }", selecting);
    expect(problem).toContain("22:49: stages[0].pass.metrics: the stage `pilot` passes by its metrics");
    expect(problem).toContain("(seeds 0), so the decision would rest on runs that were selected by their outcome");
  });

  test("may have seeds of their own", () => {
    const text = full.replace("seeds: [0], pass: { all_succeed: true }", selecting);
    expect(problems(text.replace("name: full", "name: full, seeds: [1, 2, 3, 4]"))).toEqual([]);
  });

  test.each([
    ["{ metric: loss }", "found no bound"],
    ["{ metric: loss, at_least: 2, at_most: 1 }", "no value is at least 2 and at most 1"],
    ["{ metric: los, at_most: 1 }", "there is no metric `los`"],
    ["{ metric: loss, arm: x, at_most: 1 }", "there is no arm `x`"],
  ])("a rule %s is refused", (rule, expected) => {
    const text = full.replace("name: full", "name: full, seeds: [1, 2, 3, 4]");
    expect(problemAfter("pass: { all_succeed: true }", `pass: { metrics: [${rule}] }`, text)).toContain(expected);
  });

  test("do not come last", () => {
    expect(problemAfter("name: full", "name: full, pass: { metrics: [{ metric: loss, at_most: 1 }] }")).toContain(
      "belongs in `decision`",
    );
  });
});
