import { describe, expect, test } from "vitest";
import { parseExperiment } from "./parse-experiment.ts";

const small = `name: small
metrics: { acc: { goal: maximize } }
arms: { a: {}, b: }
tasks: { t: }
seeds: { count: 3, from: 10 }
run: [./train, "{seed}"]
`;

const parse = (text: string) => parseExperiment(text, { file: "e.yaml" });

describe("needs", () => {
  const needing = small.replace("a: {}", "a: { needs: [b] }");

  test("are written as a name, or as a mapping with what differs [needs.file]", () => {
    const plain = { experiment: null, arm: "b", folder: "b", task: null, seed: null, parameters: {} };
    expect(parse(needing).arms["a"]?.needs).toEqual([plain]);
    const other = small.replace("a: {}", "a: { needs: [{ from: 'pre@2/big model', as: teacher, seed: 3 }] }");
    expect(parse(other).arms["a"]?.needs).toEqual([
      { experiment: "pre@2", arm: "big model", folder: "teacher", task: null, seed: 3, parameters: {} },
    ]);
    expect(parse(`${small}needs: [pre@2]\n`).needs).toEqual([
      { experiment: "pre@2", arm: null, folder: "pre", task: null, seed: null, parameters: {} },
    ]);
  });

  test.each([
    ["needs: [a]", /arms\.a\.needs\[0\]: the arm `a` cannot need itself/],
    ["needs: [c]", /arms\.a\.needs\[0\]: there is no arm `c`; did you mean `b`\? \(allowed: b\); an arm of another/],
    ["needs: [b, b]", /arms\.a\.needs\[1\]: its folder `b` is taken by the need at line \d+, column \d+/],
    ["needs: [small/b]", /an experiment cannot need itself/],
    ["needs: [x/../b]", /cannot be the name of a folder; give it one with `as`/],
    ["needs: [{ from: b, task: u }]", /there is no task `u`; did you mean `t`\? \(allowed: t\)/],
    ["needs: [{ from: b, parameters: { lr: 1 } }]", /there is no parameter of the grid `lr`/],
    ["needs: [{ from: b, as: ../x }]", /found the name "\.\.\/x"; allowed: letters/],
    ["needs: [{ of: b }]", /the key `of` is unknown/],
    ["metrics: [accc]", /arms\.a\.metrics\[0\]: there is no metric `accc`; did you mean `acc`\?/],
  ])("refuses %s at its place [needs.file]", (written, problem) => {
    expect(() => parse(small.replace("a: {}", `a: { ${written} }`))).toThrow(problem);
  });

  test("in a circle are refused, also over several arms [needs.file]", () => {
    const circle = small.replace("a: {}, b: ", "a: { needs: [b] }, c: { needs: [a] }, b: { needs: [c] }");
    expect(() => parse(circle)).toThrow(/`a` needs `b` needs `c` needs `a`, so none of them could ever start/);
  });

  test("of all arms cannot be arms of the same experiment [needs.file]", () => {
    expect(() => parse(`${small}needs: [b]\n`)).toThrow(/needs\[0\]: `b` is an arm of this experiment; write it under/);
  });

  test("are placeholders of the command, which must name one [needs.file]", () => {
    const run = (placeholder: string) => needing.replace("./train", `./train, "{needs.${placeholder}}/x"`);
    expect(parse(run("b")).run).toContain("{needs.b}/x");
    expect(() => parse(run("bb"))).toThrow(/`\{needs\.bb\}` names no need of any run; did you mean `\{needs\.b\}`\?/);
  });
});

test("an arm that does not report a metric cannot be compared by it [needs.arms]", () => {
  const rule = "decision: { comparisons: [{ better: a, than: b }] }\n";
  const two = small.replace("acc: ", "loss: { goal: minimize }, acc: ").replace("a: {}", "a: { metrics: [loss] }");
  expect(() => parse(`${two}primary_metric: acc\n${rule}`)).toThrow(
    /decision\.comparisons\[0\]\.better: the arm `a` does not report `acc`, which is compared/,
  );
});
