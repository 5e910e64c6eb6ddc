import { applyPatch } from "diff";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { differenceText, unifiedDiff } from "./line-diff.ts";

const texts = fc
  .array(fc.constantFrom("a", "b", "c", ""), { minLength: 1, maxLength: 30 })
  .map((lines) => `${lines.join("\n")}\n`);

describe("what differs between two texts", () => {
  test("makes the second of the first", () => {
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const patch = unifiedDiff(before, after);
        expect(patch === "" ? before : applyPatch(before, patch)).toBe(after);
      }),
    );
  });

  test("is told in the form of diff, with some lines around it", () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
    const after = before.with(1, "second").toSpliced(17, 1);
    const [old, young] = [`${before.join("\n")}\n`, `${after.join("\n")}\n`];
    expect(unifiedDiff(old, young).split("\n")).toEqual([
      "@@ -1,5 +1,5 @@",
      " line 1",
      "-line 2",
      "+second",
      " line 3",
      " line 4",
      " line 5",
      "@@ -15,6 +15,5 @@",
      " line 15",
      " line 16",
      " line 17",
      "-line 18",
      " line 19",
      " line 20",
    ]);
    expect(differenceText(old, young)).toBe("1 line added, 2 lines removed");
    expect(unifiedDiff("a\nb", "a\nb")).toBe("");
    expect(differenceText("a", "a")).toBe("no line differs");
  });

  test("is found soon, however much it is", { timeout: 60_000 }, () => {
    const [before = "", after = ""] = ["a", "b"].map(
      (name) => `${Array.from({ length: 30_000 }, (_, index) => name + index).join("\n")}\n`,
    );
    expect(applyPatch(before, unifiedDiff(before, after))).toBe(after);
    expect(differenceText(before, after)).toBe("30,000 lines added, 30,000 lines removed");
  });
});
