import { expect, test } from "vitest";
import { PaperBoard, smooth } from "../domain/issues/paper-board.testing.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import { gateEvidence } from "./evidence.ts";

test("a plan is shown in the words of its file, with every finding that is not settled [gate.open]", () => {
  const board = new PaperBoard();
  while (board.facts.gates.length === 0) board.step();
  const finding = { location: "name", evidence: "It says little.", fix: "Another.", source: "statistics-critic" };
  const about = { about: "plan" as const, subject: "w2", session_id: null };
  for (const [index, severity] of (["nit", "concern", "nit"] as const).entries()) {
    board.append({ kind: "concern.raised", entity: "i1", data: { number: index + 1, severity, ...finding, ...about } });
  }
  board.append({ kind: "concern.waived", entity: "i1", data: { number: 3, reason: "It does not matter." } });
  const facts = { ...board.facts };
  if (facts.design === null) throw new Error("it has a design");
  facts.design = { ...facts.design, budget: { gpu_hours: null, wall: 5400 } };
  expect(gateEvidence(facts, "plan-approval")).toMatchObject({
    plan: 1,
    budget: { gpu_hours: "no limit", wall: "1 h 30 min" },
    smoke_run: "Each arm once, with words=100.",
    concerns: [
      "Concern 1 (nit, statistics-critic) at name: It says little.\nSuggested: Another.",
      "Concern 2 (concern, statistics-critic) at name: It says little.\nSuggested: Another.",
    ],
  });
});

test("whoever decides about a result or a change sees what its reviewers said [gate.open]", () => {
  const board = new PaperBoard();
  board.runTo("promotion");
  expect(gateEvidence(board.facts, "promotion")).toMatchObject({ reviews: ["interpretation-critic: approve. Read."] });
  expect(gateEvidence(board.facts, "code-disputed")).toMatchObject({
    reviews: ["code-reviewer: approve. Read.", "tester: approve. Read."],
  });
});

test("what differs from the parent is shown in sentences [gate.open]", () => {
  const board = new PaperBoard();
  while (board.facts.gates.length === 0) board.step();
  const differences = [{ variable: "seeds", from: "[0]", to: "[1]", comparable: false }];
  const checks = board.facts.checks.map((one) => ({ ...one, details: { differences, duplicates: ["tiny@1"] } }));
  expect(gateEvidence({ ...board.facts, checks }, "plan-approval")).toMatchObject({
    differences: ["seeds: [0] became [1]. Results of the two cannot be compared without a word on it."],
    duplicates: ["tiny@1"],
  });
});

test("a plan is compared with the one that a person was shown before [gate.open] [F30]", () => {
  let asked = 0;
  const board = new PaperBoard({
    answers: (gate) => (gate.name === "plan-approval" && (asked += 1) === 1 ? "revise" : smooth.answers(gate)),
  });
  while (board.facts.gates.length === 0) board.step();
  expect(gateEvidence(board.facts, "plan-approval")).toMatchObject({ plan: 1, changed_since: null });
  while (board.facts.gates.length === 1) board.step();
  const submissions = board.facts.submissions.map((one) => {
    if (one.kind !== "plan" || one.number !== 2) return one;
    return { ...one, content: { ...(one.content as SubmissionContent<"plan">), prediction: "It is worse." } };
  });
  expect(gateEvidence({ ...board.facts, submissions }, "plan-approval")).toMatchObject({
    plan: 2,
    changed_since: {
      plan: 1,
      changes: expect.stringMatching(/^-prediction: .*\n\+prediction: It is worse\.$/m) as string,
    },
  });
});
