import { expect, test } from "vitest";
import { bindingChanges } from "./binding.ts";
import { enough, PaperBoard } from "./paper-board.testing.ts";

const approved = {
  plan: "p1",
  budget: { gpu_hours: 0, wall: 600 },
  compute: { local: "local@m1", lab: "ssh:lab1#1", old: "ssh:old" },
  promotion: "branch",
};

test.each([
  [approved, []],
  [{ ...approved, plan: "p2" }, ["the plan is another one"]],
  [
    { ...approved, budget: { gpu_hours: null, wall: 3600 } },
    ["the budget's gpu_hours was 0 and is without limit now", "the budget's wall was 10 min and is 1 h now"],
  ],
  [
    { ...approved, compute: { local: null, lab: "ssh:lab1#2", new: "ssh:new" } },
    [
      "the compute local was local@m1 and is not in rigor.yaml now",
      "the compute lab is reached or used in another way",
      "the compute old was ssh:old and is not used now",
      "the compute new was not used and is ssh:new now",
    ],
  ],
  [{ ...approved, promotion: "merge" }, ["agents.promotion was branch and is merge now"]],
])("what differs from an approval is told part by part: %j [gate.bound]", (now, changes) => {
  expect(bindingChanges(approved, now)).toEqual(changes);
});

test("of a result: the document, and what becomes of its code [gate.bound]", () => {
  const code = { branch: "rigor/issue-1", into: "main" };
  expect(bindingChanges({ result: "a", code }, { result: "b", code: { ...code, into: null } })).toEqual([
    "the document, or a value that it shows, is another one",
    "the code was to be merged into main and is to stay on rigor/issue-1 now",
  ]);
});

test("a lost approval says at the next gate and in the story what has changed since [gate.bound] [F34]", () => {
  const board = new PaperBoard();
  board.runTo("testing");
  board.computes = { local: "ssh:lab2#2" };
  board.run(enough);
  const changed = "It is not what was approved at gate 1: the compute local was local and is ssh:lab2 now.";
  expect(board.facts.gates[1]?.why).toContain(changed);
  expect(board.steps).toContainEqual({ do: "move", to: "plan-review", reason: changed });
});

test("a gate that is withdrawn says what has changed, or that nobody is to be asked [gate.bound]", () => {
  const board = new PaperBoard();
  while (board.facts.gates.length === 0) board.step();
  board.computes = { local: "ssh:lab2#2" };
  board.step();
  board.step();
  board.settings = { ...board.settings, autopilot: { gpu_hours: 1, follow_ups: false } };
  board.step();
  expect(board.facts.gates.map(({ state, reason }) => [state, reason])).toEqual([
    ["withdrawn", "What it asked about has changed: the compute local was local and is ssh:lab2 now."],
    ["withdrawn", "Nobody has to answer it any more. The plan is within the autopilot's GPU hours."],
  ]);
});
