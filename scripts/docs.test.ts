import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generatedPages } from "./docs.ts";

test.each(Object.entries(generatedPages()))("%s is current: `npm run docs` would not change it", (path, content) => {
  expect(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")).toBe(content);
});
