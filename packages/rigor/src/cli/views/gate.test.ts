import { expect, test } from "vitest";
import type { GateView } from "../../api/contract/views/issues.ts";
import { now } from "../cli.testing.ts";
import { plainStyle } from "../output/terminal.ts";
import { gateLines } from "./gate.ts";

const look = { style: plainStyle, columns: 110, now };
const gate: GateView = {
  number: 3,
  issue: 1,
  project: "/r",
  title: "Tiny",
  name: "plan-approval",
  state: "open",
  question: "Carry out the plan of issue 1?",
  why: "Nothing is run before.",
  options: [{ choice: "approve", effect: "It is run.", needs_reason: false }],
  evidence: { hypothesis: "It wins." },
  choice: null,
  reason: null,
  opened_at: new Date(now - 60_000).toISOString(),
  decided_at: null,
  decided_by: null,
};

test("a gate says what each answer does; one that was decided says by whom, and asks nothing [gate.open]", () => {
  expect(gateLines(gate, look).join("\n")).toContain("rigor approve 3");
  const at = new Date(now - 5_000).toISOString();
  const decided = {
    state: "decided",
    choice: "approve",
    reason: "Go.",
    decided_at: at,
    decided_by: "person:ada",
  } as const;
  const lines = gateLines({ ...gate, ...decided }, look);
  expect(lines).toEqual([
    "Gate 3: Carry out the plan of issue 1?",
    "  Issue 1: Tiny",
    "  It was decided 5 s ago by person:ada: approve.",
    "  Go.",
    "",
    "hypothesis: It wins.",
  ]);
  const withdrawn = gateLines({ ...gate, state: "withdrawn", reason: "The plan was changed." }, look).join("\n");
  expect(withdrawn).toContain("It was withdrawn: nobody has to answer it.\n  The plan was changed.");
  expect(withdrawn).not.toContain("rigor approve");
});

test("questions are numbered as they are answered, and a text ends without empty lines [gate.open]", () => {
  const asked = { ...gate, options: [{ choice: "answer", effect: "Planning starts.", needs_reason: false }] };
  const evidence: GateView["evidence"] = {
    questions: [{ question: "Which?", blocking: true }, { question: "How long?\n" }],
    notes: ["One.\nTwo.\n"],
  };
  expect(gateLines({ ...asked, evidence }, look).slice(-10)).toEqual([
    '  rigor answer 3 "ANSWER 1" "ANSWER 2"     Planning starts.',
    "",
    "questions:",
    "  1. question: Which?",
    "     blocking: true",
    "",
    "  2. question: How long?",
    "notes:",
    "  - One.",
    "    Two.",
  ]);
});
