import { expect, test } from "vitest";
import { parseRole } from "./role.ts";

const limits = "turns: 5, minutes: 1, tokens: 1000, cost: null, silence_seconds: 60";
const role = (more: string) =>
  parseRole("tester", `---\nsees: []\ntools: []\nlimits: { ${limits}${more} }\n---\nTest it.`, "tester.md");

test("a role without a word about the disk or about tools has limits of both [session.size] [session.hanging]", () => {
  expect(role("").limits).toMatchObject({ size: 20e9, tool_seconds: 600 });
  expect(role(", size: 512MiB, tool_seconds: 30").limits).toMatchObject({ size: 512 * 2 ** 20, tool_seconds: 30 });
});

test("a size that is none is refused with what would be one [session.size]", () => {
  expect(() => role(", size: much")).toThrow(/limits\.size: expected a size such as `1GB`/);
});
