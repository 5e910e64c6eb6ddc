import { describe, expect, test } from "vitest";
import { noUsage, type Entry, type Usage } from "../transcripts/entry.ts";
import { SessionWatch } from "./watch.ts";

const limits = { turns: 10, minutes: 10, tokens: 1000, cost: 5, silenceSeconds: 30, toolSeconds: 600, bytes: 1e9 };
const start = 1_000_000;
const at = (seconds: number) => start + seconds * 1000;
const call: Entry = { kind: "tool-call", id: "a", tool: "Bash", input: {} };
const result: Entry = { kind: "tool-result", id: "a", text: "", error: false };
const retry = (status: number | null): Entry => ({ kind: "retry", status, why: `status ${status}` });

const watch = (before: Usage = noUsage) => new SessionWatch(limits, before, start);

describe("silence [session.silence] [F35]", () => {
  test("ends a session after its limit, counted from the last sign of life", () => {
    const session = watch();
    session.hear([], true, at(20));
    expect(session.verdict(at(49))).toBeNull();
    expect(session.verdict(at(51))).toMatchObject({ outcome: "silent" });
  });

  test("may last as long as a tool while one works, and says which", () => {
    const session = watch();
    session.hear([call], true, at(1));
    expect(session.verdict(at(400))).toBeNull();
    session.hear([result], true, at(400));
    expect(session.verdict(at(429))).toBeNull();
    expect(session.verdict(at(431))).toMatchObject({ outcome: "silent", evidence: expect.stringContaining("result") });

    const stuck = new SessionWatch({ ...limits, minutes: 60 }, noUsage, start);
    stuck.hear([call], true, at(1));
    const end = stuck.verdict(at(1 + 30 + limits.toolSeconds + 1));
    expect(end).toMatchObject({ outcome: "silent", evidence: expect.stringContaining("a call of Bash") });
  });
});

describe("a tool that hangs [session.hanging]", () => {
  const other: Entry = { kind: "tool-call", id: "b", tool: "bench/measure", input: {} };

  test("is told once, before its call is given up", () => {
    const session = watch();
    session.hear([call], true, at(0));
    session.hear([other], true, at(100));
    expect(session.hanging(at(539))).toEqual([]);
    expect(session.hanging(at(541))).toEqual([{ tool: "Bash", seconds: 540 }]);
    expect(session.hanging(at(641))).toEqual([{ tool: "bench/measure", seconds: 540 }]);
    expect(session.hanging(at(900))).toEqual([]);
  });

  test("is told also where nobody looked before its answer came", () => {
    const session = watch();
    session.hear([call, other], true, at(0));
    session.hear([result], true, at(601));
    session.hear([{ ...result, id: "b" }], true, at(100));
    expect(session.hanging(at(602))).toEqual([{ tool: "Bash", seconds: 540 }]);
  });
});

describe("a failing service [session.service] [session.credentials] [F35]", () => {
  test("is waited for as long as silence is, whatever is heard of the tries", () => {
    const session = watch();
    for (let second = 1; second <= 31; second++) {
      session.hear([retry(529)], false, at(second));
      expect(session.verdict(at(second))).toBeNull();
    }
    expect(session.verdict(at(32))).toEqual({ outcome: "overloaded", evidence: "status 529" });
  });

  test("is forgotten when it answers", () => {
    const session = watch();
    session.hear([retry(529)], false, at(1));
    session.hear([], true, at(25));
    session.hear([retry(null)], false, at(26));
    expect(session.verdict(at(50))).toBeNull();
    expect(session.verdict(at(57))).toMatchObject({ outcome: "overloaded" });
  });

  test.each([401, 402, 403])("that refuses the credentials twice with %i is asked no more", (status) => {
    const session = watch();
    session.hear([retry(status)], false, at(1));
    expect(session.verdict(at(1))).toBeNull();
    session.hear([retry(status)], false, at(2));
    expect(session.verdict(at(2))).toMatchObject({ outcome: "credentials" });
  });

  test("that refuses the credentials once in between is only failing", () => {
    const session = watch();
    for (const [second, status] of [401, 529, 401].entries()) session.hear([retry(status)], false, at(second));
    expect(session.verdict(at(3))).toBeNull();
  });
});

describe("limits [session.limits] [session.usage]", () => {
  const used = (more: Partial<Usage>) => ({ ...noUsage, ...more });

  test.each<[string, Partial<Usage>, string | null]>([
    ["as many turns as allowed", { turns: 10 }, null],
    ["one turn more", { turns: 11 }, "turn-limit"],
    ["as many tokens as allowed", { inputTokens: 900, outputTokens: 100 }, null],
    ["one token more", { inputTokens: 900, outputTokens: 101 }, "token-limit"],
    ["tokens from the cache", { inputTokens: 100_900, cachedTokens: 100_000, outputTokens: 100 }, null],
    ["as much money as allowed", { cost: 5 }, null],
    ["more money", { cost: 5.01 }, "cost-limit"],
    ["a cost that nobody knows", { cost: null, turns: 3 }, null],
  ])("%s", (_what, usage, outcome) => {
    const session = watch();
    session.spend(used(usage));
    expect(session.verdict(at(1))?.outcome ?? null).toBe(outcome);
  });

  test("hold over all processes of a session", () => {
    const session = watch(used({ turns: 9, cost: 2, seconds: 590 }));
    session.spend(used({ turns: 1, cost: 1 }));
    expect(session.verdict(at(9))).toBeNull();
    expect(session.usage(at(9))).toMatchObject({ turns: 10, cost: 3, seconds: 599 });
    session.spend(used({ turns: 2, cost: 1 }));
    expect(session.verdict(at(9))).toMatchObject({ outcome: "turn-limit" });
    expect(watch(used({ seconds: 590 })).verdict(at(11))).toMatchObject({ outcome: "time-limit" });
  });
});
