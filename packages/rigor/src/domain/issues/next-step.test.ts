import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nothingSpent } from "./agent-budget.ts";
import { nextStep } from "./next-step.ts";
import type { BackendName } from "./agent-settings.ts";
import { planCritics } from "./plan-steps.ts";
import { enough, fated, finished, gatesOf, PaperBoard, rolesOf, smooth, statesOf } from "./paper-board.testing.ts";
import { issueCheckNames, noUsage, type IssueCheckName, type RoleName, type SessionRecord } from "./records.ts";

describe("the way of an issue", () => {
  test("an experiment goes through every step, and waits for a person twice", () => {
    const board = new PaperBoard();
    board.run(enough);
    expect(statesOf(board)).toEqual([
      "clarifying",
      "planning",
      "plan-review",
      "implementing",
      "code-review",
      "testing",
      "running",
      "verifying",
      "analyzing",
      "result-review",
      "promotion",
      "done",
    ]);
    expect(gatesOf(board)).toEqual(["plan-approval", "promotion"]);
    expect(rolesOf(board)).toEqual([
      "clarifier",
      "planner",
      ...planCritics,
      "implementer",
      "code-reviewer",
      "tester",
      "analyzer",
      "interpretation-critic",
      "follow-up-proposer",
    ]);
  });

  test.each([
    ["code", ["running", "verifying", "analyzing", "result-review", "promotion"]],
    ["survey", ["plan-review", "implementing", "code-review", "testing", "running", "verifying"]],
  ] as const)("%s skips steps by rule", (kind, skipped) => {
    const board = new PaperBoard({}, kind);
    board.run(enough);
    expect(board.facts.issue.state).toBe("done");
    for (const state of skipped) expect(statesOf(board)).not.toContain(state);
  });

  test("a change of nothing but configuration needs no code review; a review that was made counts [issue.kinds]", () => {
    const unread = new PaperBoard({ configures: () => true });
    unread.run(enough);
    expect(rolesOf(unread)).not.toContain("code-reviewer");
    expect(unread.steps).toContainEqual({ do: "move", to: "testing", reason: "Only configuration was changed." });
    let copies = 0;
    const asked = new PaperBoard({
      configures: () => true,
      passes: (check) => check !== "duplication" || (copies += 1) > 3,
      answers: (gate) => (gate.name === "code-disputed" ? "revise" : smooth.answers(gate)),
    });
    asked.run(enough);
    // What a person asked for at the gate is settled by the reviewer.
    expect(rolesOf(asked).filter((role) => role === "code-reviewer")).toHaveLength(1);
    const reason = "Nothing that its review asked for is open.";
    expect(asked.steps).toContainEqual({ do: "move", to: "testing", reason });
  });

  test("a follow-up inherits its parent's plan: nobody clarifies, plans, criticises or builds [issue.follow-up]", () => {
    const board = new PaperBoard({}, "experiment", {}, finished);
    board.run(enough);
    expect(board.facts.issue.state).toBe("done");
    expect(gatesOf(board)).toEqual(["plan-approval", "promotion"]);
    expect(rolesOf(board)).toEqual([
      "code-reviewer",
      "tester",
      "analyzer",
      "interpretation-critic",
      "follow-up-proposer",
    ]);
  });

  test("a follow-up that code cannot make goes the whole way, and so does one whose plan is sent back [issue.follow-up]", () => {
    const strange = new PaperBoard({ passes: (check) => check !== "amendment" }, "experiment", {}, finished);
    strange.run(enough);
    expect(rolesOf(strange).slice(0, 5)).toEqual(["clarifier", "planner", ...planCritics]);
    let asked = 0;
    const unwanted = new PaperBoard(
      { answers: (gate) => (gate.name === "plan-approval" && (asked += 1) === 1 ? "revise" : smooth.answers(gate)) },
      "experiment",
      {},
      finished,
    );
    unwanted.run(enough);
    expect(rolesOf(unwanted).slice(0, 4)).toEqual(["planner", ...planCritics]);
    expect(unwanted.facts.issue.state).toBe("done");
  });

  test("a follow-up runs at once only where that is wanted, and within what is left of its parent's hours [issue.follow-up]", () => {
    const wanted = { autopilot: { follow_ups: true } };
    const gates = (settings: object, hours_left: number, fate = {}) => {
      const board = new PaperBoard(fate, "experiment", settings, { ...finished, hours_left });
      board.run(enough);
      return gatesOf(board);
    };
    expect(gates(wanted, 1)).toEqual(["promotion"]);
    expect(gates(wanted, 0.5)).toEqual(["plan-approval", "promotion"]);
    expect(gates({}, 1)).toEqual(["plan-approval", "promotion"]);
    const planned = gates(wanted, 1, { passes: (check: string) => check !== "amendment" });
    expect(planned).toEqual(["plan-approval", "promotion"]);
  });

  test("two blocking questions wait for a person's answers", () => {
    const board = new PaperBoard({ asksBack: () => true });
    board.run(enough);
    expect(gatesOf(board)[0]).toBe("answer-questions");
    expect(board.facts.issue.state).toBe("done");
  });
});

describe("limits", () => {
  test.each([
    ["methodology-critic", "plan-disputed", 3],
    ["code-reviewer", "code-disputed", 3],
    ["tester", "test-failed", 3],
    ["interpretation-critic", "interpretation-disputed", 3],
  ] as const)(
    "%s that never agrees ends at a gate, and the work does not advance [gate.caps] [F33]",
    (critic, gate, rounds) => {
      const board = new PaperBoard({
        objects: (role) => role === critic,
        answers: (one) => (one.name === gate ? "cancel" : smooth.answers(one)),
      });
      board.run(enough);
      expect(gatesOf(board).at(-1)).toBe(gate);
      expect(board.facts.issue.state).toBe("cancelled");
      expect(rolesOf(board).filter((role) => role === critic)).toHaveLength(rounds);
    },
  );

  test("a role that fails again and again blocks the issue, which resumes where it stood [F33] [F07]", () => {
    let failures = 0;
    const works = (role: RoleName): boolean => role !== "implementer" || (failures += 1) > 3;
    const board = new PaperBoard({ works });
    board.run(enough);
    expect(gatesOf(board)).toContain("session-failed");
    expect(board.facts.issue.state).toBe("done");
    expect(board.facts.issue.visits.implementing).toBe(1);
  });

  test.each([
    [["overloaded", "overloaded", "overloaded"], /the model's service was overloaded, .* UTC$/],
    [["malformed-stream", "malformed-stream", "malformed-stream"], /could not be read, .* UTC; look for a proxy/],
    [["overloaded", "malformed-stream", "overloaded"], /^the clarifier waits: .* and it is tried again at .* UTC/],
  ])(
    "a service that cannot work is left in peace between sessions, longer each time: %j [session.failures]",
    (ends, why) => {
      const board = new PaperBoard({}, "experiment", { failures: 4 });
      board.runTo("clarifying");
      const about = { issue_id: "i1", role: "clarifier", subject: "1", backend: "claude-code", model: null } as const;
      for (const [index, minutes] of [1, 5, 25].entries()) {
        const entity = `session ${index}`;
        board.append(
          { kind: "session.started", entity, data: { ...about, member: null, directory: "/s" } },
          {
            kind: "session.ended",
            entity,
            data: { outcome: ends[index] ?? "", evidence: "529", next: "Wait.", usage: noUsage },
          },
        );
        const ended = Date.parse(board.facts.sessions.at(-1)?.ended_at ?? "");
        const after = (seconds: number) => {
          board.now = new Date(ended + seconds * 1000).toISOString();
          return nextStep(board.facts);
        };
        expect(after(minutes * 60 - 1)).toMatchObject({
          do: "rest",
          why: expect.stringMatching(why) as string,
        });
        expect(after(minutes * 60)).toMatchObject({ do: "session", role: "clarifier" });
      }
    },
  );

  test.each(issueCheckNames.filter((name) => name !== "amendment"))(
    "what git fails in costs the author nothing: a person is asked, and %s is made again [check.fault] [F33]",
    (check) => {
      let failures = 0;
      const fails = (one: IssueCheckName): boolean => one === check && (failures += 1) <= 4;
      const board = new PaperBoard({ fails });
      board.run(enough);
      expect(gatesOf(board).filter((name) => name === "check-failed")).toHaveLength(4);
      expect(board.facts.gates.find(({ name }) => name === "check-failed")?.why).toBe("git failed.");
      expect(board.facts.concerns).toEqual([]);
      expect(board.facts.issue.state).toBe("done");
      const smoothly = new PaperBoard();
      smoothly.run(enough);
      expect(rolesOf(board)).toEqual(rolesOf(smoothly));
    },
  );

  test.each([
    [{ tokens: 1 }, /tokens/],
    [{ turns: 1 }, /turns/],
    [{ hours: 0.001 }, /hours/],
  ])("what agents may use in other measures ends at a gate as well: %o [gate.caps]", (issue, words) => {
    const board = new PaperBoard(
      { answers: (gate) => (gate.name === "budget-used" ? "cancel" : smooth.answers(gate)) },
      "experiment",
      { budget: { issue } },
    );
    board.run(enough);
    expect(gatesOf(board)).toEqual(["budget-used"]);
    expect(board.facts.gates[0]?.question).toMatch(words);
    expect(board.facts.issue.state).toBe("cancelled");
  });

  test("no agent begins when the day's budget is used up, whatever it is of; a person does [gate.caps]", () => {
    const spent = { cost: 0, tokens: 500_000_000, turns: 0, hours: 0 };
    const board = new PaperBoard(smooth);
    board.spentToday = spent;
    board.run(enough);
    expect(board.facts.sessions).toEqual([]);
    expect(board.steps.at(-1)).toMatchObject({
      do: "rest",
      why: expect.stringContaining("500,000,000 of 400,000,000"),
    });
    const persons = new PaperBoard(smooth, "experiment", { backend: "human" });
    persons.spentToday = spent;
    persons.run(enough);
    expect(persons.facts.sessions.length).toBeGreaterThan(0);
  });

  test.each([
    ["this issue's budget", { budget: { issue: { cost: 1 } } }, 0],
    ["this day's budget", { budget: { day: { cost: 1 } } }, 1.2],
  ])("agents that are at work stop when %s is used up, and nobody else does [gate.caps]", (what, settings, ofDay) => {
    const board = new PaperBoard(smooth, "experiment", settings);
    while (board.facts.sessions.length === 0) board.step();
    const [session] = board.facts.sessions;
    if (session === undefined) throw new Error("it has begun");
    const used = { ...noUsage, cost: 0.6 };
    const live = { ...session, state: "running" as const, submission_id: null, outcome: null, usage: used };
    const step = (...sessions: SessionRecord[]) => {
      const cost = ofDay === 0 ? 0 : sessions.length * 0.6;
      return nextStep({ ...board.facts, sessions, spent_today: { ...nothingSpent, cost } });
    };
    expect(step(live).do).toBe("rest");
    expect(step(live, { ...live, id: "other" })).toMatchObject({
      do: "stop-sessions",
      whose: "agents",
      reason: expect.stringContaining(`$1.20 of $1 of ${what}`),
    });
    const person = { ...live, backend: "human" };
    const done = { ...live, submission_id: "w1", usage: { ...used, cost: 1.2 } };
    expect(step(done, person).do).not.toBe("stop-sessions");
  });

  test("who does the work is named by the issue, then for the role, then for all [issue.backend]", () => {
    const settings = { backend: "codex", roles: { planner: { backend: "acp", model: "m" } } };
    const whoDid = (backend: BackendName | null) => {
      const board = new PaperBoard(smooth, "experiment", settings, null, backend);
      board.run(enough);
      return new Set(
        board.facts.sessions.map(({ role, backend }) => `${role === "planner" ? role : "others"}: ${backend}`),
      );
    };
    expect(whoDid(null)).toEqual(new Set(["others: codex", "planner: acp"]));
    expect(whoDid("human")).toEqual(new Set(["others: human", "planner: human"]));
  });

  test("what agents may cost ends at a gate [gate.caps]", () => {
    const board = new PaperBoard(
      { answers: (gate) => (gate.name === "budget-used" ? "cancel" : smooth.answers(gate)) },
      "experiment",
      {
        budget: { issue: { cost: 0.5 } },
      },
    );
    board.run(enough);
    expect(gatesOf(board).at(-1)).toBe("budget-used");
    expect(board.facts.sessions.length).toBe(5);
  });
});

describe("any fate", () => {
  const fates = fc.array(fc.nat({ max: 1_000 }), { minLength: 30, maxLength: 200 });
  const kinds = fc.constantFrom("experiment", "code", "analysis", "survey");

  test("no step runs or builds without an approval of exactly the newest plan [F34] [F30]", () => {
    fc.assert(
      fc.property(fates, kinds, fc.boolean(), (numbers, kind, follows) => {
        const board = new PaperBoard(fated(numbers), kind, {}, follows ? finished : null);
        for (let step = 0; step < enough && board.step(); step++) {
          const last = board.steps.at(-1);
          const builds = last?.do === "session" && last.role === "implementer";
          const runs = last?.do === "check" && (last.check === "dispatch" || last.check === "smoke");
          if (!builds && !runs) continue;
          const plan = board.facts.submissions.findLast((one) => one.kind === "plan");
          const approved = board.facts.gates.some(
            (gate) => gate.choice === "approve" && (gate.binding as { plan?: string }).plan === plan?.hash,
          );
          expect(approved).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("nothing moves while somebody is at work, and whoever has handed in comes to an end [F34]", () => {
    fc.assert(
      fc.property(fates, kinds, (numbers, kind) => {
        const board = new PaperBoard(fated(numbers), kind);
        for (let steps = 0; steps < enough; steps++) {
          const { facts } = board;
          const last = facts.sessions.at(-1);
          if (last !== undefined && nextStep(facts).do === "move") {
            const before = facts.sessions.slice(0, -1);
            const withLast = (changes: object) =>
              nextStep({ ...facts, sessions: [...before, { ...last, ...changes }] });
            expect(withLast({ state: "running", submission_id: "w" }).do).toBe("rest");
            const atWork = withLast({ state: "running", submission_id: null });
            expect(["rest", "stop-sessions"]).toContain(atWork.do);
          }
          if (!board.step()) return;
        }
      }),
      { numRuns: 150 },
    );
  });

  test("nothing is promoted before a person approved exactly this result, and it ends only so or by a person [F30]", () => {
    fc.assert(
      fc.property(fates, kinds, (numbers, kind) => {
        const board = new PaperBoard(fated(numbers), kind);
        board.run(enough);
        const { issue, gates, submissions } = board.facts;
        if (issue.state === "cancelled") expect(gates.at(-1)?.choice).toBe("cancel");
        if (issue.state !== "done" || kind === "code") return;
        const result = submissions.findLast((one) => one.kind === "result");
        expect(
          gates.some(
            (gate) => gate.choice === "approve" && (gate.binding as { result?: string }).result === result?.hash,
          ),
        ).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test("it never stands still without saying what it waits for, and asking again gives the same step [F05]", () => {
    fc.assert(
      fc.property(fates, kinds, (numbers, kind) => {
        const board = new PaperBoard(fated(numbers), kind);
        const taken = board.run(enough);
        if (taken === enough) return;
        expect(["done", "cancelled"]).toContain(board.facts.issue.state);
      }),
      { numRuns: 150 },
    );
  });
});
