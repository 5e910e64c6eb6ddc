/** What an approval of a plan holds for. */
import { describe, expect, test } from "vitest";
import { enough, finished, gatesOf, PaperBoard, rolesOf, smooth, statesOf } from "./paper-board.testing.ts";

describe("approval", () => {
  test("an approval does not outlive a change of the plan [F34]", () => {
    let asked = 0;
    const board = new PaperBoard({
      answers: (gate) => (gate.name === "plan-approval" && (asked += 1) === 1 ? "revise" : smooth.answers(gate)),
    });
    board.run(enough);
    const approvals = board.facts.gates.filter((gate) => gate.name === "plan-approval");
    expect(approvals.map((gate) => gate.choice)).toEqual(["revise", "approve"]);
    expect(approvals[0]?.binding).not.toEqual(approvals[1]?.binding);
    expect(board.facts.concerns.find((one) => one.source === "person")?.state).toBe("verified");
    expect(board.steps).toContainEqual({ do: "move", to: "planning", reason: "A person wants another plan." });
  });

  test.each(["code-review", "testing", "running"] as const)(
    "an approval that was lost in %s and is given again builds and runs nothing twice [gate.bound]",
    (state) => {
      const board = new PaperBoard({}, "experiment", { autopilot: { gpu_hours: 1 } });
      board.runTo(state);
      board.settings = { ...board.settings, autopilot: { gpu_hours: null, follow_ups: false } };
      board.run(enough);
      expect(gatesOf(board)).toEqual(["plan-approval", "promotion"]);
      expect(statesOf(board).filter((one) => one === "implementing")).toHaveLength(2);
      expect(rolesOf(board).filter((role) => role === "implementer")).toHaveLength(1);
      expect(board.facts.checks.filter(({ name }) => name === "dispatch")).toHaveLength(1);
      expect(board.facts.issue.state).toBe("done");
    },
  );

  test("an approval does not outlive a change of where its computes are [F34] [gate.bound]", () => {
    const board = new PaperBoard();
    board.runTo("code-review");
    board.computes = { local: "local", other: "ssh:lab1#1" };
    board.runTo("testing");
    board.computes = { local: "ssh:lab2#2" };
    board.run(enough);
    expect(gatesOf(board)).toEqual(["plan-approval", "plan-approval", "promotion"]);
    expect(rolesOf(board).filter((role) => role === "implementer")).toHaveLength(1);
    expect(board.facts.issue.state).toBe("done");
  });

  test.each([
    ["merge", /rigor\/issue-2 is merged into/],
    ["branch", /rigor\/issue-2 stays, for you to merge/],
  ] as const)(
    "of code alone says what becomes of the code, and holds for that: %s [F34] [gate.bound]",
    (promotion, end) => {
      const board = new PaperBoard({}, "code", { promotion: promotion === "merge" ? "branch" : "merge" });
      board.runTo("testing");
      board.settings = { ...board.settings, promotion };
      board.run(enough);
      const approvals = board.facts.gates.filter(({ name }) => name === "plan-approval");
      expect(approvals).toHaveLength(2);
      expect(approvals[0]?.options[0]?.effect).not.toMatch(end);
      expect(approvals[1]?.options[0]?.effect).toMatch(end);
      expect(board.facts.issue.state).toBe("done");
    },
  );

  test.each([
    ["a plan that needs code", null, /^It is built, reviewed, tested and run/],
    ["a follow-up that needs none", finished, /^It is tested and run as planned, by the code that is there\.$/],
  ])("of %s says what it brings about", (_, parent, effect) => {
    const board = new PaperBoard({}, "experiment", {}, parent);
    board.run(enough);
    const approval = board.facts.gates.find(({ name }) => name === "plan-approval");
    expect(approval?.options[0]?.effect).toMatch(effect);
  });

  test("a change that was sent back is not good again because the plan was approved again [gate.bound]", () => {
    let reviews = 0;
    const board = new PaperBoard({ objects: (role) => role === "code-reviewer" && (reviews += 1) === 1 });
    board.runTo("code-review");
    board.runTo("implementing");
    board.append({ kind: "issue.moved", entity: "i1", data: { to: "plan-review", reason: "Its approval was lost." } });
    board.run(enough);
    expect(rolesOf(board).filter((role) => role === "implementer")).toHaveLength(2);
    expect(board.facts.issue.state).toBe("done");
  });

  test("a plan within the autopilot's GPU hours needs no person, one above always does", () => {
    const within = new PaperBoard({}, "experiment", { autopilot: { gpu_hours: 1 } });
    within.run(enough);
    expect(gatesOf(within)).toEqual(["promotion"]);
    const above = new PaperBoard({}, "experiment", { autopilot: { gpu_hours: 0.5 } });
    above.run(enough);
    expect(gatesOf(above)).toEqual(["plan-approval", "promotion"]);
  });
});
