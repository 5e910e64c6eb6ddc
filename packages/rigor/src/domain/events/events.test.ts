import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { canonicalJson } from "../canonical.ts";
import {
  attemptLifecycle,
  computeLifecycle,
  experimentLifecycle,
  isFinal,
  runLifecycle,
  type Lifecycle,
} from "../lifecycle.ts";
import { investigationLifecycle } from "../investigations/records.ts";
import { concernLifecycle, gateLifecycle, issueLifecycle, sessionLifecycle } from "../issues/issue-lifecycle.ts";
import type { Tables } from "../records.ts";
import { eventKind, type Event } from "./event.ts";
import {
  boardCandidates,
  concernCandidates,
  gateCandidates,
  investigationCandidates,
  sessionCandidates,
} from "./issue-events.testing.ts";
import type { MemoryState } from "./memory-state.ts";
import { currentEvent, eventKinds, sealEvent, touchedRows, upcastEvent, UnknownEventError } from "./registry.ts";
import type { DomainEvent } from "./registry.ts";
import { attemptCandidates, attemptId, candidates, MemoryLog, validHistory, type Pool } from "./events.testing.ts";

/** What happens to runs and what happens to issues is walked apart, so that histories of both get somewhere. */
const pool: Pool = { experiments: ["e1", "e2"], runs: ["r1", "r2"], attempts: 2, computes: ["c1"], issues: [] };
const nothing: Pool = { experiments: [], runs: [], attempts: 0, computes: [], issues: [] };
const board: Pool = { ...nothing, issues: ["i1"] };
const all = candidates(pool);
const choices = fc.array(fc.nat({ max: all.length - 1 }), { minLength: 1, maxLength: 120 });
const tableNames: (keyof Tables)[] = [
  "experiments",
  "runs",
  "placements",
  "attempts",
  "results",
  "issues",
  "submissions",
  "concerns",
  "gates",
  "sessions",
  "issue_checks",
  "investigations",
  "tool_jobs",
];

const snapshot = (state: MemoryState): string =>
  canonicalJson(Object.fromEntries(tableNames.map((table) => [table, Object.fromEntries(state.entries(table))])));

const lifecycles = {
  experiments: experimentLifecycle,
  runs: runLifecycle,
  attempts: attemptLifecycle,
  computes: computeLifecycle,
  issues: issueLifecycle,
  concerns: concernLifecycle,
  gates: gateLifecycle,
  sessions: sessionLifecycle,
  investigations: investigationLifecycle,
} as const;
type Living = keyof typeof lifecycles;
const living = Object.keys(lifecycles) as Living[];
const lifecycleOf = (table: Living): Lifecycle<string> => lifecycles[table];

const statesOf = (state: MemoryState, table: Living): Map<string, string> =>
  new Map(state.entries(table).map(([key, row]) => [key, row.state]));

/** Offers the events one after the other, and shows what stood before and after each. */
function walk(
  picks: number[],
  look: (log: MemoryLog, event: DomainEvent, offer: () => boolean) => void,
  among: Pool = pool,
): void {
  const log = new MemoryLog();
  const offered = candidates(among);
  const events = [
    ...validHistory(among, picks.slice(0, 20)),
    ...picks.flatMap((pick) => offered[pick % offered.length] ?? []),
  ];
  for (const event of events) look(log, event, () => log.offer(event));
}

describe("random events", () => {
  test("the pool holds every kind of event", () => {
    const offered = [...all, ...candidates(board)];
    expect(new Set(offered.map((event) => event.kind))).toEqual(new Set(Object.keys(eventKinds)));
  });

  test.each([
    ["runs", pool],
    ["issues", board],
  ])("an event about %s is applied along a declared transition, or changes nothing [state.defined]", (_, among) => {
    const look = (log: MemoryLog, _event: DomainEvent, offer: () => boolean): void => {
      const before = snapshot(log.state);
      const states = living.map((table) => statesOf(log.state, table));
      if (!offer()) {
        expect(snapshot(log.state)).toBe(before);
        return;
      }
      for (const [index, table] of living.entries()) {
        for (const [key, state] of statesOf(log.state, table)) {
          const from = states[index]?.get(key);
          const next: readonly string[] | undefined =
            from === undefined || from === state ? [state] : lifecycleOf(table).transitions[from];
          expect(lifecycleOf(table).transitions).toHaveProperty([state]);
          expect(next).toContain(state);
        }
      }
    };
    fc.assert(
      fc.property(choices, (picks) => walk(picks, look, among)),
      { numRuns: 200 },
    );
  });

  test("members of a row fit its state", () => {
    fc.assert(
      fc.property(choices, (picks) => {
        const { state } = MemoryLog.of(validHistory(pool, picks));
        for (const [, experiment] of state.entries("experiments")) {
          expect(experiment.hold === null).toBe(experiment.state !== "held");
        }
        for (const [, run] of state.entries("runs")) {
          const attempts = state.entries("attempts").filter(([, attempt]) => attempt.run_id === run.id);
          expect(attempts.length).toBe(run.attempts);
          if (run.state !== "done") continue;
          const counted = state.get("attempts", run.result_attempt ?? "");
          expect(counted).toMatchObject({ run_id: run.id, state: "succeeded" });
          expect(state.get("results", run.result_attempt ?? "")).toMatchObject({ run_id: run.id });
        }
      }),
    );
  });

  test("a finished attempt never changes, whatever comes later [state.finished-fixed]", () => {
    fc.assert(
      fc.property(choices, (picks) => {
        walk(picks, (log, _event, offer) => {
          const finished = log.state.entries("attempts").filter(([, row]) => isFinal(attemptLifecycle, row.state));
          offer();
          for (const [key, row] of finished) expect(log.state.get("attempts", key)).toStrictEqual(row);
        });
      }),
      { numRuns: 200 },
    );
  });

  test("late news of an attempt that was given up never changes its run [F04]", () => {
    fc.assert(
      fc.property(choices, (picks) => {
        const history = validHistory(pool, picks);
        const log = MemoryLog.of(history);
        for (const [id, run] of log.state.entries("runs")) {
          for (let number = 1; number <= run.attempts; number++) {
            if (run.current_attempt === attemptId(id, number) && run.state === "active") continue;
            for (const late of attemptCandidates(id, number)) log.offer(late);
          }
          expect(log.state.get("runs", id)).toStrictEqual(run);
        }
      }),
    );
  });

  test("a late success never completes a run whose attempt was declared lost [F04]", () => {
    const find = (kind: string, entity: string, part: object = {}): DomainEvent => {
      const found = all.find(
        (event) =>
          event.kind === kind &&
          event.entity === entity &&
          Object.entries(part).every(([key, value]) => (event.data as Record<string, unknown>)[key] === value),
      );
      if (found === undefined) throw new Error(`no ${kind} of ${entity}`);
      return found;
    };
    const log = MemoryLog.of([
      find("run.created", "r1"),
      find("attempt.queued", "r1-1"),
      find("attempt.finished", "r1-1", { state: "lost" }),
      find("run.retried", "r1"),
      find("attempt.queued", "r1-2"),
    ]);
    expect(() => log.append(find("attempt.finished", "r1-1", { state: "succeeded" }))).toThrow(
      /is lost and cannot become/,
    );
    log.append(find("result.recorded", "r1-1"));
    expect(() => log.append(find("run.completed", "r1", { attempt_id: "r1-1" }))).toThrow(/cannot complete run r1/);
    expect(log.state.get("runs", "r1")).toMatchObject({
      state: "active",
      current_attempt: "r1-2",
      result_attempt: null,
    });
  });

  test("applying touches only rows that the event names", () => {
    fc.assert(
      fc.property(choices, (picks) => {
        walk(picks, (log, _event, offer) => {
          const before = new Map(
            tableNames.map((table) => [table, new Map<string, unknown>(log.state.entries(table))]),
          );
          if (!offer()) return;
          const named = new Set(touchedRows(log.events.at(-1) as Event).map((ref) => `${ref.table} ${ref.key}`));
          for (const table of tableNames) {
            for (const [key, row] of log.state.entries(table)) {
              if (before.get(table)?.get(key) !== row) expect(named).toContain(`${table} ${key}`);
            }
          }
        });
      }),
    );
  });
});

describe("life cycles", () => {
  /** Every change of state that any event can make, found by trying all events in all reachable states. */
  function reachable(events: readonly DomainEvent[]): Map<Living, Map<string, Set<string>>> {
    const changes = new Map<Living, Map<string, Set<string>>>(living.map((table) => [table, new Map()]));
    const seen = new Set<string>();
    const open: DomainEvent[][] = [[]];
    for (let history = open.shift(); history !== undefined; history = open.shift()) {
      for (const event of events) {
        const log = MemoryLog.of(history);
        const before = living.map((table) => statesOf(log.state, table));
        if (!log.offer(event)) continue;
        for (const [index, table] of living.entries()) {
          for (const [key, to] of statesOf(log.state, table)) {
            const from = before[index]?.get(key);
            const steps = changes.get(table);
            if (from === undefined || from === to || steps === undefined) continue;
            steps.set(from, (steps.get(from) ?? new Set()).add(to));
          }
        }
        const mark = canonicalJson([
          ...living.map((table) => [...statesOf(log.state, table)]),
          log.state.entries("runs").map(([, run]) => run.current_attempt),
          log.state.entries("results").map(([key]) => key),
          log.state.entries("issues").map(([, issue]) => issue.resumes_at),
        ]);
        if (seen.has(mark)) continue;
        seen.add(mark);
        open.push([...history, event]);
      }
    }
    return changes;
  }

  test("every declared transition is made by an event, and no other one: no state is a dead end [F05] [state.defined]", () => {
    const experiments = reachable(candidates({ ...nothing, experiments: ["e1"] }));
    // The run has a place in an experiment of which nothing else is said.
    const runs = reachable(candidates({ ...nothing, experiments: ["e1"], runs: ["r1"], attempts: 1 }));
    const computes = reachable(candidates({ ...nothing, computes: ["c1"] }));
    const issues = reachable(boardCandidates("i1"));
    const concerns = reachable(concernCandidates("i1", 1));
    const gates = reachable(gateCandidates("i1", 1));
    const sessions = reachable(sessionCandidates("s1", "i1"));
    const investigations = reachable(investigationCandidates("v1", "s1"));
    for (const table of living) {
      const { transitions } = lifecycleOf(table);
      const found = { experiments, runs, attempts: runs, computes, issues, concerns, gates, sessions, investigations }[
        table
      ].get(table);
      for (const [from, to] of Object.entries(transitions)) {
        expect([from, [...(found?.get(from) ?? [])].toSorted()]).toEqual([from, [...to].toSorted()]);
      }
    }
    for (const table of living) {
      const { transitions } = lifecycleOf(table);
      const ends = Object.keys(transitions).filter((state) => isFinal(lifecycleOf(table), state));
      const declared = {
        experiments: ["archived"],
        runs: [],
        attempts: ["succeeded", "failed", "preempted", "timed-out", "lost", "cancelled"],
        computes: [],
        issues: ["done", "cancelled"],
        concerns: ["verified", "waived"],
        gates: ["decided", "withdrawn"],
        sessions: ["ended"],
        investigations: ["ended"],
      };
      expect(ends).toEqual(declared[table]);
    }
  });
});

describe("reading a log", () => {
  const logged = (kind: string, version: number, data: unknown): Event => ({
    origin: "o",
    seq: 1,
    time: "2030-01-01T00:00:00.000Z",
    actor: "test",
    kind,
    version,
    entity: "x",
    data,
  });

  test("an unknown kind is refused when written and when read [F08]", () => {
    expect(() => sealEvent({ kind: "run.exploded", entity: "x", data: {} })).toThrow(UnknownEventError);
    expect(() => sealEvent({ kind: "toString", entity: "x", data: {} })).toThrow(UnknownEventError);
    expect(() => currentEvent(logged("run.exploded", 1, {}))).toThrow(/another version of Rigor/);
  });

  test.each(Object.entries(eventKinds))("%s of a version that is not known is refused [F08]", (kind, { version }) => {
    expect(() => currentEvent(logged(kind, version + 1, {}))).toThrow(UnknownEventError);
    expect(() => currentEvent(logged(kind, 0, {}))).toThrow(UnknownEventError);
  });

  test.each([...all, ...candidates(board)].map((event) => [event.kind, event] as const))(
    "%s refuses members that its schema does not know [F08]",
    (_kind, event) => {
      expect(sealEvent(event).version).toBe(eventKinds[event.kind].version);
      expect(() => sealEvent({ ...event, data: { ...event.data, surprise: 1 } })).toThrow(z.ZodError);
    },
  );

  test("an event of an older version is read through its upcast, and checked after it [event.upcast]", () => {
    const definition = eventKind({
      version: 3,
      schema: z.strictObject({ seconds: z.number() }),
      upcast(data, from) {
        const old = z.object({ minutes: z.number() }).parse(data);
        return from === 1 ? { seconds: old.minutes * 60 } : { wrong: true };
      },
      touches: () => [],
      apply: () => undefined,
    });
    const old = logged("timer.set", 1, { minutes: 2 });
    expect(upcastEvent(definition, old)).toEqual({ ...old, version: 3, data: { seconds: 120 } });
    expect(old.data).toEqual({ minutes: 2 });
    expect(() => upcastEvent(definition, logged("timer.set", 2, { minutes: 2 }))).toThrow(z.ZodError);
    expect(() => upcastEvent(definition, logged("timer.set", 4, {}))).toThrow(UnknownEventError);
    const present = logged("timer.set", 3, { seconds: 1 });
    expect(upcastEvent(definition, present)).toBe(present);
  });

  test("characters that no database keeps as text are replaced before anything sees them", () => {
    const reason = { code: "x\u0000", message: "half \ud83d, whole \ud83d\ude00, escaped \\u0000" };
    const sealed = sealEvent({ kind: "run.failed", entity: "r1", data: { reason } });
    expect(sealed.data).toEqual({
      reason: { code: "x\ufffd", message: "half \ufffd, whole \ud83d\ude00, escaped \\u0000" },
    });
    expect(JSON.parse(sealed.json)).toEqual(sealed.data);
  });
});
