import { expect, test } from "vitest";
import type { AttemptFate } from "../records/attempt-queries.ts";
import { removableAttempts } from "./old-attempts.ts";

const day = 86_400;
const now = Date.parse("2030-01-31T00:00:00Z");
const limits = { old: 30 * day, spared: day };

const kept = (attempt: string, has_checkpoints = false) => ({ attempt, path: `aa/${attempt}`, has_checkpoints });

const fate = (days: number, changes: Partial<AttemptFate> = {}): AttemptFate => ({
  state: "succeeded",
  number: 1,
  finished_at: new Date(now - days * day * 1_000).toISOString(),
  run: { state: "done", resume_from: 1 },
  is_wanted: true,
  ...changes,
});

const namesOf = (of: Record<string, AttemptFate>, has_checkpoints = false) => {
  const directories = Object.keys(of).map((name) => kept(name, has_checkpoints));
  const { old, spare } = removableAttempts(directories, new Map(Object.entries(of)), limits, now);
  return [old, spare].map((found) => found.map(({ attempt }) => attempt));
};

test("directories go by their age, and for room the longest ended first [compute.attempts-clean-up]", () => {
  expect(namesOf({ a: fate(2), b: fate(31), c: fate(0.5), d: fate(29), e: fate(400) })).toEqual([
    ["e", "b"],
    ["d", "a"],
  ]);
});

test("what has no end in the log, or is not in it, stays [compute.attempts-clean-up]", () => {
  const live = (state: AttemptFate["state"]) => fate(90, { state, finished_at: null });
  expect(namesOf({ a: live("queued"), b: live("submitted"), c: live("running") })).toEqual([[], []]);
  expect(removableAttempts([kept("unknown-1")], new Map(), limits, now)).toEqual({ old: [], spare: [] });
});

test("checkpoints stay until nothing can go on from them any more [F24] [compute.attempts-clean-up]", () => {
  const of = (changes: Partial<AttemptFate>) => fate(90, { state: "lost", ...changes });
  const fates = {
    waits: of({ run: { state: "pending", resume_from: 1 } }),
    failed: of({ run: { state: "failed", resume_from: 1 } }),
    cancelled: of({ run: { state: "cancelled", resume_from: 1 } }),
    void: of({ run: { state: "pending", resume_from: 2 } }),
    done: of({}),
    archived: of({ run: { state: "failed", resume_from: 1 }, is_wanted: false }),
  };
  expect(namesOf(fates, true)).toEqual([["void", "done", "archived"], []]);
  expect(namesOf(fates, false)).toEqual([Object.keys(fates), []]);
});

test("the job of a check goes when it is old, whatever became of it", () => {
  const seconds = (days: number) => now / 1_000 - days * day;
  const names = [kept(`check-${seconds(0.1)}-ab`), kept(`check-${seconds(40)}-cd`)];
  expect(removableAttempts(names, new Map(), limits, now)).toEqual({ old: [names[1]], spare: [] });
});
