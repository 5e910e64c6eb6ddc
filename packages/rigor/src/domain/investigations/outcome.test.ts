import { expect, test } from "vitest";
import { investigationEnd } from "./outcome.ts";

const open = { summary: null, disruption: null, servers: ["bench", "notes"], max_turns: null };
const disrupted = { ...open, disruption: { server: "bench", evidence: "The tool server bench ended." } };
const concluded = { ...disrupted, summary: { answer: "Yes.", answered: true, summary: "I looked." } };
const session = (outcome: string, evidence: string) => ({ outcome, evidence, next: "Raise `turns`." });

test("what was handed in stands, whatever happened afterwards [investigate.ends]", () => {
  const end = investigationEnd(concluded, session("turn-limit", "It took 4 turns."), []);
  expect(end).toEqual({ outcome: "answered", evidence: "Yes.", next: null });
});

test("a tool server that ended is the cause also where its agent tried on and spent its turns [investigate.ends]", () => {
  expect(investigationEnd(disrupted, session("turn-limit", "It took 4 turns"), [])).toEqual({
    outcome: "failed",
    evidence: "The tool server bench ended. Then its agent ended (turn-limit): It took 4 turns.",
    next: "See what it printed: tools/bench*.log among its files.",
  });
  const cut = investigationEnd(disrupted, session("stopped", "The tool server bench ended."), []);
  expect(cut).toMatchObject({ outcome: "failed", evidence: "The tool server bench ended." });
});

test.each([
  ["finished", "silent"],
  ["stopped", "stopped"],
  ["time-limit", "failed"],
  ["size-limit", "failed"],
])(
  "without anything handed in, a session that ended as %s leaves an investigation %s [investigate.ends]",
  (how, outcome) => {
    const end = investigationEnd(open, session(how, "So it was."), []);
    expect(end).toEqual({ outcome, evidence: "So it was.", next: "Raise `turns`." });
  },
);

test("who has asked for few turns is told of that, and not of the role [investigate.ends]", () => {
  const end = investigationEnd({ ...open, max_turns: 4 }, session("turn-limit", "Four."), []);
  expect(end.next).toContain("--max-turns");
});

test("who is set aside because the day's budget is used up is told when to go on [gate.caps]", () => {
  const used = { outcome: "set-aside", evidence: "Agents have used $2.00 of $2 of this day's budget.", next: null };
  const end = investigationEnd(open, used, []);
  expect(end).toMatchObject({ outcome: "failed", evidence: used.evidence });
  expect(end.next).toContain("agents.budget.day");
});

test("where a tool hung, what to do next begins with what its server printed [session.hanging]", () => {
  const end = investigationEnd(open, session("time-limit", "It took more than 60 minutes."), ["Read", "bench/measure"]);
  expect(end.next).toBe("See what it printed: tools/bench*.log among its files. Raise `turns`.");
});
