import { describe, expect, test } from "vitest";
import { computeSchema } from "../files/compute-schema.ts";
import { computeId, isProven, machineOf, needsCheck, undecidedPause } from "./compute-rules.ts";

const minute = 60_000;
const now = Date.parse("2030-01-02T00:00:00.000Z");
const at = (ago: number): string => new Date(now - ago).toISOString();
const good = { state: "available" as const, until: null, checked_at: at(minute), problems: [] };
const bad = { ...good, problems: [{ check: "disk", found: "full", remedy: null }] };

describe("the identity of a compute [compute.placement]", () => {
  const parse = (value: object) => computeSchema.parse(value);
  const lab1 = parse({ kind: "ssh", host: "lab1" });

  test("does not hang on how much of it may be used, but on how it is reached", () => {
    expect(computeId(parse({ kind: "ssh", host: "lab1", cpus: 2 }))).toBe(computeId(lab1));
    const elsewhere = parse({ kind: "ssh", host: "lab1", workdir: "/scratch" });
    expect(computeId(elsewhere)).not.toBe(computeId(lab1));
    expect(machineOf(elsewhere)).toBe(machineOf(lab1));
  });

  test("is this machine's for every local one", () => {
    expect(computeId(parse({ kind: "local", cpus: 3 }))).toBe("local");
  });
});

describe("the proof of a compute [compute.check]", () => {
  test("lasts a day, and is asked for where there is none", () => {
    expect([isProven(good, now), needsCheck(good, false, now)]).toEqual([true, false]);
    const old = { ...good, checked_at: at(25 * 60 * minute) };
    expect([isProven(old, now), needsCheck(old, false, now)]).toEqual([false, true]);
    expect([isProven(null, now), needsCheck(null, false, now)]).toEqual([false, true]);
  });

  test("that failed is tried again after some minutes, or at once when a person says that it is mended", () => {
    expect(needsCheck(bad, false, now)).toBe(false);
    expect(needsCheck({ ...bad, checked_at: at(11 * minute) }, false, now)).toBe(true);
    expect(needsCheck(bad, true, now)).toBe(true);
  });

  test("is sought again soon where a check came to no conclusion, and after some of these it failed [compute.check-undecided]", () => {
    const pauses = [1, 2, 3].map(undecidedPause);
    expect(pauses.every((pause) => pause !== null && pause < minute)).toBe(true);
    expect(undecidedPause(4)).toBeNull();
  });

  test("is not sought while a person has drained it, and ends a rest when that is over [compute.rest]", () => {
    const old = at(60 * minute);
    expect(needsCheck({ ...good, state: "drained" }, true, now)).toBe(false);
    expect(needsCheck({ ...good, state: "resting", checked_at: old, until: at(-minute) }, false, now)).toBe(false);
    expect(needsCheck({ ...good, state: "resting", checked_at: old, until: at(minute) }, false, now)).toBe(true);
  });

  test("that was good during a rest does not put off the one that ends it [compute.rest]", () => {
    const seconds = { checked_at: at(20_000), until: at(1_000) };
    expect(needsCheck({ ...good, ...seconds, state: "resting" }, false, now)).toBe(true);
    expect(needsCheck({ ...bad, ...seconds, state: "resting" }, false, now)).toBe(false);
  });
});
