import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { agents } from "./agents.ts";
import { bench } from "./bench.ts";
import { citations } from "./citations.ts";
import { compute } from "./compute.ts";
import { documents } from "./documents.ts";
import { fieldFailures } from "./field-failures.ts";
import { issues } from "./issues.ts";
import { shared } from "./shared.ts";

const root = resolve(import.meta.dirname, "../..");
const requirements = [...fieldFailures, ...bench, ...compute, ...agents, ...documents, ...issues, ...shared];
const patterns = ["{packages,examples,scripts,test}/**/*.{test,suite}.ts"];
const files = globSync(patterns, {
  cwd: root,
  exclude: (path) => path === "node_modules" || path.endsWith("/node_modules") || path.startsWith("test/requirements"),
});
const cited = files.flatMap((file) => citations(readFileSync(join(root, file), "utf8")).map((id) => ({ id, file })));

describe("required behaviours", () => {
  test("no id is given twice", () => {
    const ids = requirements.map((requirement) => requirement.id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  test("every requirement is cited by a test", () => {
    const proven = new Set(cited.map(({ id }) => id));
    const unproven = requirements.filter(({ id }) => !proven.has(id)).map(({ id, statement }) => `${id}: ${statement}`);
    expect(unproven).toEqual([]);
  });

  test("every citation names a requirement", () => {
    const known = new Set(requirements.map((requirement) => requirement.id));
    expect(cited.filter(({ id }) => !known.has(id)).map(({ id, file }) => `${file} cites [${id}]`)).toEqual([]);
  });
});

describe("citations", () => {
  test("are read from titles, also of several lines and of tables", () => {
    const source = [
      'test("a NaN is caught [F12] [checks.finite]", () => {});',
      "describe.each(stores)(`on %s [store.one-suite]`, () => {});",
      "test.skipIf(!server)(",
      '  "a \\"quoted\\" title [F01]",',
      "  async () => {});",
    ].join("\n");
    expect(citations(source)).toEqual(["F12", "checks.finite", "store.one-suite", "F01"]);
  });

  test("are not read from code, comments or text that only looks like one", () => {
    const source = [
      "// proves [F02]",
      'const ids = ["F03"]; list[F04]; map[job.kill];',
      'expect(message).toBe("see [F05]");',
      'test("brackets [a b] and [1] and [x]", () => {});',
    ].join("\n");
    expect(citations(source)).toEqual([]);
  });
});
