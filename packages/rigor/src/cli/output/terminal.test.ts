import { describe, expect, test } from "vitest";
import { table } from "./table.ts";
import { describeTerminal, LiveLine } from "./terminal.ts";

const painted = (stream: { isTTY?: boolean; columns?: number }, environment: Record<string, string>) =>
  describeTerminal(stream, environment).style.red("x") !== "x";

describe("a terminal", () => {
  test("gets colour; a pipe gets none", () => {
    expect(painted({ isTTY: true }, {})).toBe(true);
    expect(painted({}, {})).toBe(false);
    expect(painted({ isTTY: true }, { TERM: "dumb" })).toBe(false);
  });

  test("obeys NO_COLOR and FORCE_COLOR", () => {
    expect(painted({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
    expect(painted({}, { FORCE_COLOR: "1" })).toBe(true);
    expect(painted({ isTTY: true }, { FORCE_COLOR: "0" })).toBe(false);
    expect(painted({}, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
  });

  test("has columns; a pipe gets whole lines", () => {
    expect(describeTerminal({ isTTY: true, columns: 132 }, {}).columns).toBe(132);
    expect(describeTerminal({}, {}).columns).toBe(Number.POSITIVE_INFINITY);
  });

  test("shows one live line, which never wraps and can be removed", () => {
    const written: string[] = [];
    const line = new LiveLine(
      (text) => written.push(text),
      () => 10,
    );
    line.clear();
    line.draw("0123456789abc");
    line.clear();
    line.clear();
    expect(written).toEqual(["\r01234567…\u001b[K", "\r\u001b[K"]);
  });
});

describe("a table", () => {
  test("is aligned for wide letters, and a cell is one line", () => {
    const lines = table({
      columns: [{ title: "arm" }, { title: "value", align: "right" }, { title: "why" }],
      rows: [
        ["数据", "1", "a\nb"],
        ["plain", "12.5", ""],
      ],
    });
    expect(lines).toEqual(["arm    value  why", String.raw`数据       1  a\nb`, "plain   12.5"]);
  });

  test("cuts only its last column, and only where it must", () => {
    const columns = [{ title: "run" }, { title: "reason" }];
    const rows = [["3f9c2a71d0", "a long reason that does not fit"]];
    expect(table({ columns, rows, width: 24 })[1]).toBe("3f9c2a71d0  a long reas…");
    expect(table({ columns, rows })[1]).toBe("3f9c2a71d0  a long reason that does not fit");
  });
});
