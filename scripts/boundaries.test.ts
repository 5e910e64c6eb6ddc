import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { boundaryProblems } from "./boundaries.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rigor-boundaries-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, "packages/rigor/src", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

/** Names of the rules that the files below break. */
async function broken(files: Record<string, string>): Promise<string[]> {
  write(files);
  const problems = await boundaryProblems(directory);
  return problems.map((problem) => /\[([\w-]+)\]$/.exec(problem)?.[1] ?? problem);
}

const one = "export const one = 1;\n";

describe("boundaries", () => {
  test("the check fails where there is nothing to read", async () => {
    mkdirSync(join(directory, "packages"));
    expect(await boundaryProblems(directory)).toEqual([expect.stringContaining("no source file was found")]);
  });

  test("imports of what stands below are allowed", async () => {
    const files = {
      "domain/run.ts": `import "node:crypto";\n${one}`,
      "store/log.ts": `import "../domain/run.ts";\nimport "node:fs";\n${one}`,
      "daemon/main.ts": `import "../store/log.ts";\n`,
      "cli/run.ts": `import "../api/contract.ts";\nimport "../domain/errors.ts";\n`,
      "api/contract.ts": one,
      "domain/errors.ts": one,
    };
    expect(await broken(files)).toEqual([]);
  });

  test.each<[string, string, Record<string, string>]>([
    ["rules-are-pure", "I/O in the domain", { "domain/run.ts": `import "node:fs";` }],
    ["rules-are-pure", "a process in statistics", { "statistics/t.ts": `import "child_process";` }],
    ["statistics-needs-no-core", "a Node module in statistics", { "statistics/t.ts": `import "node:crypto";` }],
    [
      "domain-stands-above",
      "the domain knowing the store",
      { "domain/run.ts": `import "../store/log.ts";`, "store/log.ts": one },
    ],
    ["store-stands-above", "a sibling", { "store/log.ts": `import "../compute/job.ts";`, "compute/job.ts": one }],
    [
      "compute-stands-above",
      "a type from above",
      {
        "compute/job.ts": `import type { one } from "../daemon/main.ts"; export type One = typeof one;`,
        "daemon/main.ts": one,
      },
    ],
    [
      "compute-remote-stands-above",
      "a part of a folder knowing one above it",
      { "compute/remote/survey.ts": `import "../executors/ssh.ts";`, "compute/executors/ssh.ts": one },
    ],
    [
      "cli-is-a-client",
      "the CLI opening the store",
      { "cli/run.ts": `await import("../store/log.ts");`, "store/log.ts": one },
    ],
    [
      "contract-is-for-clients",
      "a contract that needs handlers",
      { "api/contract.ts": `import "./handlers.ts";`, "api/handlers.ts": one },
    ],
    [
      "product-needs-no-tests",
      "product code that needs a test",
      { "store/log.ts": `import "./log.test.ts";`, "store/log.test.ts": one },
    ],
    ["resolvable", "a file that does not exist", { "store/log.ts": `import "./nothing.ts";` }],
  ])("%s refuses %s", async (rule, _what, files) => {
    expect(await broken(files)).toContain(rule);
  });

  test("a circle is refused, also one of types", async () => {
    const files = {
      "store/a.ts": `import type { B } from "./b.ts"; export interface A { b: B }`,
      "store/b.ts": `import type { A } from "./a.ts"; export interface B { a: A }`,
    };
    expect(await broken(files)).toContain("no-circles");
  });
});
