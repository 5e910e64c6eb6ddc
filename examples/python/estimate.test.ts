import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const script = join(import.meta.dirname, "estimate.py");

interface Result {
  metrics: { error: number };
  inputs_hash: string;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-estimate-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function measure(sampler: string, integrand: string, seed: number): Result {
  const parameters = join(folder, "parameters.json");
  writeFileSync(parameters, JSON.stringify({ sampler, integrand, evaluations: 500 }));
  execFileSync("python3", ["-B", script], {
    env: { PATH: process.env.PATH ?? "", RIGOR_SEED: `${seed}`, RIGOR_PARAMETERS: parameters, RIGOR_OUTPUT: folder },
  });
  return JSON.parse(readFileSync(join(folder, "result.json"), "utf8")) as Result;
}

describe("estimates of pi", () => {
  // Standard deviations of the two integrands at a uniform point: sqrt(32/3 - pi^2) and sqrt(2 pi + 4 - pi^2).
  test.each([
    ["circle", Math.sqrt(32 / 3 - Math.PI ** 2)],
    ["arctangent", Math.sqrt(2 * Math.PI + 4 - Math.PI ** 2)],
  ])("from independent points err as theory says: %s", (integrand, deviation) => {
    const expected = deviation / Math.sqrt(500);
    // 200 estimates give their root mean square to 5 per cent (one standard deviation).
    expect(Math.abs(measure("plain", integrand, 1).metrics.error / expected - 1)).toBeLessThan(0.2);
  });

  test.each(["circle", "arctangent"])("are best from stratified points: %s", (integrand) => {
    const errors = ["stratified", "antithetic", "plain"].map((name) => measure(name, integrand, 2).metrics.error);
    expect(errors).toEqual(errors.toSorted((a, b) => a - b));
    expect(new Set(errors).size).toBe(3);
  });

  test("are the same for the same seed, and differ for another", () => {
    expect(measure("plain", "circle", 3)).toEqual(measure("plain", "circle", 3));
    expect(measure("plain", "circle", 3).metrics).not.toEqual(measure("plain", "circle", 4).metrics);
  });

  test("name the same inputs in every arm [F50]", () => {
    const hashes = ["plain", "antithetic", "stratified"].map((name) => measure(name, "circle", 0).inputs_hash);
    expect(new Set(hashes).size).toBe(1);
    expect(measure("plain", "arctangent", 0).inputs_hash).not.toBe(hashes[0]);
  });
});
