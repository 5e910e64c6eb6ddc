import { expect, test } from "vitest";
import { decideGate } from "./decide-gate.ts";
import { PaperBoard } from "./paper-board.testing.ts";
import type { GateRecord } from "./records.ts";

function asking(): { board: PaperBoard; gate: GateRecord } {
  const board = new PaperBoard({ asksBack: () => true });
  while (board.facts.gates.length === 0) board.step();
  const [gate] = board.facts.gates;
  if (gate === undefined) throw new Error("it was there a moment ago");
  return { board, gate: { ...gate, evidence: { questions: [{ question: "One?" }, { question: "Two?" }] } } };
}

test("an answer that lacks its reason says how to give one [gate.answers]", () => {
  const { board, gate } = asking();
  const cancel = () => decideGate(board.facts, gate, { choice: "cancel", reason: " ", answers: [] });
  expect(cancel).toThrow(expect.objectContaining({ next: expect.stringContaining('-m "WHY"') as string }) as Error);
});

test("more or fewer answers than a gate has questions are refused: none is lost or guessed [gate.answers]", () => {
  const { board, gate } = asking();
  const decide = (answers: string[]) => decideGate(board.facts, gate, { choice: "answer", reason: null, answers });
  expect(() => decide(["1", "2", "3"])).toThrow("asks 2 questions, and 3 answers were given");
  expect(() => decide(["retry"])).toThrow("asks 2 questions, and 1 answer was given");
  expect(decide(["1", ""])).toMatchObject([{ kind: "gate.decided", data: { answers: ["1", ""] } }]);
});
