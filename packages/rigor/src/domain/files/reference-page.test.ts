import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { experimentFilePage } from "./reference-page.ts";

test("docs/experiment-file.md is current", () => {
  const page = readFileSync(new URL("../../../../../docs/experiment-file.md", import.meta.url), "utf8");
  expect(page, "run: node scripts/generate-docs.ts").toBe(experimentFilePage());
});

test("every key has a meaning", () => {
  const rows = experimentFilePage()
    .split("\n")
    .filter((line) => /^\| `[a-z]/.test(line));
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.filter((row) => /\|\s*\|$/.test(row))).toEqual([]);
});
