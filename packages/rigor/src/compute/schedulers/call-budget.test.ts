import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CallBudget } from "./call-budget.ts";

/** A call that somebody wants to make some time after the one before, in milliseconds. */
interface Wish {
  pauseMs: number;
  /** How long it takes, and the part of that after which it reaches the scheduler. */
  takesMs: number;
  reaches: number;
  /** Before it, the process dies and another one goes on with what was noted: seconds, rounded up. */
  restarts: boolean;
}

interface Made {
  grantedMs: number;
  reachedMs: number;
}

/** Makes calls as soon as they may be made, on a clock of its own; some at one time. */
function make(perMinute: number, wishes: readonly Wish[]): Made[] {
  let budget = new CallBudget(perMinute);
  let nowMs = 1_000_000;
  let open: number[] = [];
  const made: Made[] = [];
  const passTo = (timeMs: number) => {
    for (const endMs of open.filter((one) => one <= timeMs).toSorted((a, b) => a - b)) budget.end(endMs);
    open = open.filter((endMs) => endMs > timeMs);
    nowMs = timeMs;
  };
  for (const { pauseMs, takesMs, reaches, restarts } of wishes) {
    passTo(nowMs + pauseMs);
    if (restarts) {
      const counted = budget.counted(nowMs);
      const ends = counted.endsMs.map((endMs) => Math.min(nowMs, Math.ceil(endMs / 1_000) * 1_000));
      budget = new CallBudget(perMinute);
      budget.recall([...ends, ...open.map(() => nowMs)]);
      // Whoever made these is dead: they are heard by nobody.
      open = [];
    }
    for (let dueMs = budget.nextMs(nowMs); dueMs > nowMs; dueMs = budget.nextMs(nowMs))
      passTo(Math.min(dueMs, ...open));
    budget.begin(nowMs);
    open.push(nowMs + takesMs);
    made.push({ grantedMs: nowMs, reachedMs: nowMs + takesMs * (restarts ? 0 : reaches) });
  }
  return made;
}

const wishOf = (restarts: fc.Arbitrary<boolean>): fc.Arbitrary<Wish> =>
  fc.record({
    pauseMs: fc.oneof(fc.constant(0), fc.nat(2_000), fc.nat(90_000)),
    takesMs: fc.oneof(fc.constant(0), fc.nat(3_000), fc.nat(120_000)),
    reaches: fc.double({ min: 0, max: 1, noNaN: true }),
    restarts,
  });

/** The most of some times that lie within 60 s. */
function mostInAMinute(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return Math.max(
    0,
    ...sorted.map((from, at) => sorted.slice(at).findLastIndex((timeMs) => timeMs - from < 60_000) + 1),
  );
}

test("in no 60 seconds a scheduler is reached by more calls than are allowed, however long each takes [compute.calls-per-minute] [F15]", () => {
  const wishes = fc.array(wishOf(fc.constant(false)), { maxLength: 150 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 90 }), wishes, (perMinute, wanted) => {
      const reached = make(perMinute, wanted).map(({ reachedMs }) => reachedMs);
      expect(mostInAMinute(reached)).toBeLessThanOrEqual(perMinute);
    }),
  );
});

test("a process that is started anew counts what its predecessor called [compute.calls-per-minute]", () => {
  const restarts = fc.nat(9).map((one) => one === 0);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(wishOf(restarts), { maxLength: 150 }),
      (perMinute, wanted) => {
        // A call reaches the scheduler before the one who makes it dies.
        const made = make(
          perMinute,
          wanted.map((wish) => ({ ...wish, reaches: 0 })),
        );
        expect(mostInAMinute(made.map(({ reachedMs }) => reachedMs))).toBeLessThanOrEqual(perMinute);
      },
    ),
  );
});

/** Calls that are wanted at once and take no time. */
const quickly = (count: number): Wish[] =>
  Array.from({ length: count }, () => ({ pauseMs: 0, takesMs: 0, reaches: 0, restarts: false }));

test("whoever always wants to call is let go nearly as often as is allowed, and never waits for long", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (perMinute) => {
      const times = make(perMinute, quickly(5 * perMinute)).map(({ grantedMs }) => grantedMs);
      const minutes = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 60_000;
      expect(times.length / (minutes + 1)).toBeGreaterThan(0.7 * perMinute);
      const waits = times.slice(1).map((timeMs, at) => timeMs - (times[at] ?? 0));
      expect(Math.max(...waits)).toBeLessThanOrEqual(Math.ceil(120_000 / perMinute));
    }),
  );
});

test("some calls follow each other at once, and further ones evenly", () => {
  const times = (perMinute: number, count: number) =>
    make(perMinute, quickly(count)).map(({ grantedMs }) => Math.round((grantedMs - 1_000_000) / 1_000));
  expect(times(60, 14)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 5]);
  expect(times(6, 8)).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
  expect(times(1, 3)).toEqual([0, 60, 120]);
});

test("another limit holds from the next call on [compute.calls-per-minute]", () => {
  const budget = new CallBudget(600);
  for (let call = 0; call < 5; call += 1) {
    budget.begin(0);
    budget.end(0);
  }
  expect(budget.nextMs(0)).toBe(0);
  budget.allow(5);
  expect(budget.nextMs(0)).toBe(60_000);
  budget.allow(600);
  expect(budget.nextMs(0)).toBe(0);
});

test("a call that is not made after all counts no more", () => {
  const budget = new CallBudget(1);
  budget.begin(0);
  expect(budget.nextMs(0)).toBe(Number.POSITIVE_INFINITY);
  budget.giveBack();
  expect(budget.nextMs(0)).toBe(0);
});
