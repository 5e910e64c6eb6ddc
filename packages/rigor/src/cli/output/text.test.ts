import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapeControls, pad, printable, textWidth, truncate, wrap } from "./text.ts";

describe("foreign text", () => {
  test("cannot command the terminal", () => {
    expect(escapeControls("\u001b[2J\u0007 \r ok\u009b31m \u202eevil")).toBe(
      String.raw`\x1b[2J\x07 \r ok\x9b31m \u202eevil`,
    );
  });

  test("keeps its lines, tabs and letters of any script", () => {
    expect(escapeControls("naïve\n\t数据 👩‍🔬")).toBe("naïve\n\t数据 👩‍🔬");
  });

  test("is escaped wherever it stands in an answer", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (answer) => {
        for (const text of texts(printable(answer)))
          // oxlint-disable-next-line no-control-regex -- the point of the test
          expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }),
    );
  });
});

function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...texts(member)]);
}

describe("width", () => {
  test("counts columns, not characters", () => {
    expect(["abc", "é", "e\u0301", "数据", "👩‍🔬", "\u001b[1mbold\u001b[22m", ""].map(textWidth)).toEqual([
      3, 1, 1, 4, 2, 4, 0,
    ]);
  });

  test("what takes one column is counted as among text that is divided into graphemes", () => {
    const latin = Array.from({ length: 0x230 }, (_, index) => 0x20 + index);
    const signs = Array.from({ length: 0x6f0 }, (_, index) => 0x2010 + index);
    for (const code of [...latin, ...signs]) {
      const sign = String.fromCodePoint(code);
      expect([code, textWidth(sign)]).toEqual([code, textWidth(`数 ${sign}`) - 3]);
    }
  });

  test("padding and cutting use it", () => {
    expect(pad("数", 4)).toBe("数  ");
    expect(pad("数", 4, "right")).toBe("  数");
    expect(truncate("数据集", 5)).toBe("数据…");
    expect(truncate("short", 5)).toBe("short");
  });

  test("a cut text never is wider than asked for", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, width) => {
        expect(textWidth(truncate(text, width))).toBeLessThanOrEqual(width);
      }),
    );
  });

  test("wrapping loses no word", () => {
    expect(wrap("one two three four", 9)).toEqual(["one two", "three", "four"]);
  });
});
