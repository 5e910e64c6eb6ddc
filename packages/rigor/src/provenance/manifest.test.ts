import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { buildManifest, hashOutputs, type ManifestFacts } from "./manifest.ts";
import { scratchDirectory, writeFiles } from "./scratch-repository.testing.ts";

const facts: ManifestFacts = {
  experiment: "superposition",
  plan_hash: null,
  run_id: "r1",
  attempt: 1,
  command: "node train.ts",
  parameters: { lr: 0.1 },
  seed: 3,
  arm: "dense",
  task: "five-in-two",
  commit: "c".repeat(40),
  base: "b".repeat(40),
  dirty: true,
  code: { "src/b": "2", "src/a": "1" },
  environment: { key: "k", manager: "npm", lock_hash: "l", packages: { z: "1.0.0", a: "2.0.0" } },
  inputs: {},
  needs: {},
  outputs: [
    { path: "b", sha256: "2", size: 2 },
    { path: "a", sha256: "1", size: 1 },
  ],
  restarts: 0,
  resumed_from: null,
  not_resumed: null,
  missing_outputs: ["model.safetensors"],
  host: { name: "lab1", os: "linux", arch: "x64", cpus: 2, memory: 8e9, gpus: [] },
  started_at_ms: Date.UTC(2026, 0, 1, 12, 0, 0),
  finished_at_ms: Date.UTC(2026, 0, 1, 12, 0, 1, 500),
  duration: 1.5,
  memory_peak: 2e9,
  gpu_memory_peak: null,
  exit: { code: 0, signal: null },
  rigor_version: "0.1.0",
};

test("a manifest says what ran, where, on what, and what came out [provenance.manifest] [F59]", () => {
  const manifest = buildManifest(facts);
  expect(manifest).toMatchObject({
    schema: 1,
    command: "node train.ts",
    commit: facts.commit,
    base: facts.base,
    dirty: true,
    started_at: "2026-01-01T12:00:00.000Z",
    finished_at: "2026-01-01T12:00:01.500Z",
    duration: 1.5,
    memory_peak: 2e9,
    gpu_memory_peak: null,
    missing_outputs: ["model.safetensors"],
  });
  expect(Object.keys(manifest.code)).toEqual(["src/a", "src/b"]);
  expect(Object.keys(manifest.environment.packages)).toEqual(["a", "z"]);
  expect(manifest.outputs.map(({ path }) => path)).toEqual(["a", "b"]);
  expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
});

test("an attempt cannot end before it starts", () => {
  expect(() => buildManifest({ ...facts, finished_at_ms: facts.started_at_ms - 1 })).toThrow("ended before it started");
  expect(() => buildManifest({ ...facts, finished_at_ms: Number.NaN })).toThrow("ended before it started");
});

test("outputs are hashed, directories file by file, and missing ones are listed [provenance.manifest]", async () => {
  const directory = scratchDirectory();
  writeFiles(directory, {
    "result.json": "{}",
    "figures/a.svg": "<svg/>",
    "figures/deep/b.svg": "",
    other: "not declared",
  });
  const { outputs, missing } = await hashOutputs(directory, ["result.json", "figures/", "model.bin", "./result.json"]);
  const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");
  expect(outputs).toEqual([
    { path: "figures/a.svg", sha256: sha256("<svg/>"), size: 6 },
    { path: "figures/deep/b.svg", sha256: sha256(""), size: 0 },
    { path: "result.json", sha256: sha256("{}"), size: 2 },
  ]);
  expect(missing).toEqual(["model.bin"]);
  await expect(hashOutputs(directory, ["../secret"])).rejects.toMatchObject({ code: "file-invalid" });
});
