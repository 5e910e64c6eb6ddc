import { expect, test } from "vitest";
import { paceOf } from "./progress.ts";

const now = Date.parse("2026-01-01T10:00:00Z");
const ended = (secondsAgo: number, duration: number | null) => ({
  changed_at: new Date(now - secondsAgo * 1_000).toISOString(),
  duration,
});

test("the pace is that of the runs that ended last [cli.progress]", () => {
  expect(paceOf([ended(1, 2), ended(2, 2), ended(4, 2)], 8, now)).toBe(0.75);
});

test("runs that began together and have just ended together promise no more than they can do [cli.progress]", () => {
  expect(paceOf([ended(0.1, 600), ended(0.2, 600)], 2, now)).toBe(2 / 600);
});

test("too few ends tell no pace, and ends without a duration bound none [cli.progress]", () => {
  expect(paceOf([], 2, now)).toBeNull();
  expect(paceOf([ended(1, 2)], 2, now)).toBeNull();
  expect(paceOf([ended(1, null), ended(2, null)], 2, now)).toBe(1);
});
