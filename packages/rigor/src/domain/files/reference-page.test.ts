import { expect, test } from "vitest";
import { experimentFilePage } from "./reference-page.ts";

test("every key has a meaning", () => {
  const rows = experimentFilePage()
    .split("\n")
    .filter((line) => /^\| `[a-z]/.test(line));
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.filter((row) => /\|\s*\|$/.test(row))).toEqual([]);
});
