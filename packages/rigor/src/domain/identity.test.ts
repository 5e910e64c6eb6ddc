import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson, type Json } from "./canonical.ts";
import { parseExperiment } from "./files/parse-experiment.ts";
import { planHash, runKey, type RunIdentity } from "./identity.ts";

const values: fc.Arbitrary<Json> = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.integer(), { maxLength: 3 }),
);
const names = fc.string({ minLength: 1, maxLength: 4 }).filter((name) => name !== "__proto__");
const texts = fc.dictionary(names, fc.string(), { maxKeys: 3, noNullPrototype: true });

const identities: fc.Arbitrary<RunIdentity> = fc.record({
  code: texts,
  command: fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 3 })),
  arm: names,
  task: names,
  parameters: fc.dictionary(names, values, { maxKeys: 3, noNullPrototype: true }),
  seed: fc.nat(),
  inputs: texts,
  needs: texts,
  environment: fc.record({
    manager: fc.constantFrom("npm" as const, "uv" as const, "none" as const),
    setup: fc.option(fc.string()),
    variables: texts,
    lock: fc.option(fc.string()),
    local: texts,
  }),
  result: fc.constantFrom("result.json", "out/result.json"),
  artifacts: fc.subarray(["model", "weights.bin"]),
});

/** The same value with all keys in the opposite order. */
function reversed<T>(value: T): T {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value)
    .toReversed()
    .map(([key, member]): [string, unknown] => [key, reversed(member)]);
  return Object.fromEntries(entries) as T;
}

test("the order of keys does not change a run's key [identity.run-key]", () => {
  fc.assert(
    fc.property(identities, (any) => {
      expect(runKey(reversed(any))).toBe(runKey(any));
    }),
  );
});

test("two runs have one key exactly when they agree in everything [identity.run-key] [F06]", () => {
  fc.assert(
    fc.property(identities, identities, (a, b) => {
      expect(runKey(a) === runKey(b)).toBe(canonicalJson(a) === canonicalJson(b));
    }),
  );
});

const identity: RunIdentity = {
  code: { src: "a".repeat(40) },
  command: "train {seed}",
  arm: "dense",
  task: "t",
  parameters: { lr: 0.1, layers: [1, 2] },
  seed: 0,
  inputs: { corpus: "c".repeat(64) },
  needs: {},
  environment: { manager: "npm", setup: null, variables: { A: "1" }, lock: "d".repeat(64), local: {} },
  result: "result.json",
  artifacts: [],
};

test.each<[string, Partial<RunIdentity>]>([
  ["code that was fixed", { code: { src: "b".repeat(40) } }],
  ["a run that it needs", { needs: { pretrain: "f".repeat(64) } }],
  ["a file that is to be kept too", { artifacts: ["model"] }],
  ["a further code path", { code: { ...identity.code, lib: "a".repeat(40) } }],
  ["another command", { command: "train {seed} " }],
  ["the same words as a list", { command: ["train", "{seed}"] }],
  ["another arm of the same parameters, whose name the run sees", { arm: "sparse" }],
  ["another task", { task: "u" }],
  ["another value", { parameters: { lr: 0.2, layers: [1, 2] } }],
  ["another order in a list", { parameters: { lr: 0.1, layers: [2, 1] } }],
  ["text in place of a number", { parameters: { lr: "0.1", layers: [1, 2] } }],
  ["another seed", { seed: 1 }],
  ["another input", { inputs: { corpus: "e".repeat(64) } }],
  ["another lock", { environment: { ...identity.environment, lock: "e".repeat(64) } }],
  ["another local wheel", { environment: { ...identity.environment, local: { "w.whl": "1" } } }],
  ["another variable", { environment: { ...identity.environment, variables: { A: "2" } } }],
  ["another setup", { environment: { ...identity.environment, setup: "make" } }],
  ["another file with the metrics", { result: "test.json" }],
])("%s gives another key [identity.run-key] [F06]", (_, change) => {
  expect(runKey({ ...identity, ...change })).not.toBe(runKey(identity));
});

test("what a run needs counts: which runs, and where it finds their outputs [identity.run-key] [F06]", () => {
  const keyWith = (needs: Record<string, string>) => runKey({ ...identity, needs });
  const keys = [
    keyWith({}),
    keyWith({ pretrain: "e".repeat(64) }),
    keyWith({ pretrain: "f".repeat(64) }),
    keyWith({ teacher: "e".repeat(64) }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test("a key never changes between versions by accident [identity.run-key]", () => {
  expect(runKey(identity)).toBe("a030fe082c1f277cf460b0783e8a9a545246f07338cbf1abe198f29a3d4d4f80");
});

test("the hash of a plan ignores comments, layout and the order of keys, and nothing else", () => {
  const plan = (text: string): string => planHash(parseExperiment(text, { file: "e.yaml" }));
  const text =
    "name: x\nmetrics: { m: { goal: maximize } }\narms: { a: {}, b: {} }\ntasks: { t: {} }\nseeds: [0, 1]\nrun: ./x\n";
  const same =
    "run: './x' # comment\nseeds: { count: 2 }\ntasks: {t: }\narms:\n  b: {}\n  a: {}\nmetrics: { m: { goal: maximize } }\nname: x\n";
  expect(plan(same)).toBe(plan(text));
  for (const [from, to] of [
    ["[0, 1]", "[1, 0]"],
    ["maximize", "minimize"],
    ["./x", "./y"],
    ["name: x", "name: y"],
    ["b: {}", "c: {}"],
  ] as const) {
    expect(plan(text.replace(from, to))).not.toBe(plan(text));
  }
});
