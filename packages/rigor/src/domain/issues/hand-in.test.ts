import { expect, test } from "vitest";
import { contents } from "../events/issue-events.testing.ts";
import { handInProblems } from "./hand-in.ts";
import { PaperBoard } from "./paper-board.testing.ts";

test("an author answers concerns and blockers, and may answer nits [issue.human]", () => {
  const board = new PaperBoard();
  board.runTo("plan-review");
  const finding = { location: "name", evidence: "It says little.", fix: "Another.", source: "statistics-critic" };
  const about = { about: "plan" as const, subject: "w2", session_id: null };
  for (const [index, severity] of (["nit", "concern"] as const).entries()) {
    board.append({ kind: "concern.raised", entity: "i1", data: { number: index + 1, severity, ...finding, ...about } });
  }
  const problems = (...concerns: number[]) => {
    const answers = concerns.map((concern) => ({ concern, answer: "fixed" as const, reason: "Mended." }));
    const content = { ...contents.plan, answers };
    return handInProblems(board.facts, {
      ...{ kind: "plan", role: "planner", session_id: null, hash: "new", subject: null, content },
    });
  };
  expect(problems(1, 2)).toEqual([]);
  expect(problems(2)).toEqual([]);
  expect(problems(1)).toEqual([expect.stringContaining("Concern 2 (concern, name) is not answered.")]);
  expect(problems(2, 3)).toEqual(["Concern 3 is not open. Leave its answer away."]);
});
