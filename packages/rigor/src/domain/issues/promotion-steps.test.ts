import { expect, test } from "vitest";
import { PaperBoard } from "./paper-board.testing.ts";

/** More steps than any way takes. */
const enough = 200;

test.each([
  ["branch", "its code stays on rigor/issue-2, for you to merge"],
  ["merge", "rigor/issue-2 is merged into main, if nobody has that checked out"],
])("an approval of a result says what becomes of the code: %s [workspace.promotion]", (promotion, effect) => {
  const board = new PaperBoard({}, "experiment", { promotion });
  board.run(enough);
  const gate = board.facts.gates.find(({ name }) => name === "promotion");
  expect(gate?.options[0]?.effect).toBe(`The result is final; ${effect}; follow-ups are proposed.`);
});

test("an approval of a result holds for what becomes of the code, until that is done [gate.bound] [F34]", () => {
  const board = new PaperBoard({}, "experiment", { promotion: "merge" });
  const promise = (promotion: "merge" | "branch") => {
    board.settings = { ...board.settings, promotion };
  };
  const asked = () => board.facts.gates.filter(({ name }) => name === "promotion");
  const effectNow = () => asked().at(-1)?.options[0]?.effect;
  while (asked().length === 0) board.step();
  promise("branch");
  board.step();
  expect(board.steps.at(-1)).toMatchObject({ do: "withdraw", gate: asked()[0]?.number });
  board.step();
  expect(effectNow()).toContain("stays on rigor/issue-2");
  // An answer that came just before the change.
  while (asked().at(-1)?.state === "open") board.step();
  promise("merge");
  board.step();
  expect(asked()).toHaveLength(3);
  expect(effectNow()).toContain("is merged into main");
  while (!board.facts.checks.some(({ name }) => name === "merge")) board.step();
  promise("branch");
  board.run(enough);
  expect(asked()).toHaveLength(3);
  expect(board.facts.issue.state).toBe("done");
});
