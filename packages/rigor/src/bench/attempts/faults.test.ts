import { expect, test } from "vitest";
import { Faults, UnpreparedJobs } from "./faults.ts";
import type { Lane } from "../lab/lane.ts";
import type { Ended } from "./live.ts";

const machine = (id: string, more: Partial<Lane> = {}): Lane =>
  ({ id, isHere: false, isPlaced: true, isOpen: true, ...more }) as Lane;

function ended(compute_id: string, category: string | null, queued_at = ""): Ended {
  const retry_class = category === "node-failure" || category === "not-started" ? "infrastructure" : "code";
  const outcome = { state: category === null ? "succeeded" : "lost", category, retry_class, evidence: "it died" };
  return { live: { attempt: { compute_id, queued_at } }, outcome } as unknown as Ended;
}

const fault = ended("lab1", "node-failure");
const secondsOf = (rests: readonly { seconds: number }[]) => rests.map(({ seconds }) => seconds);

test("a machine rests after three faults in a row, and longer each time [compute.rest]", () => {
  const faults = new Faults(() => machine("lab1"));
  expect(faults.note([fault, fault])).toEqual([]);
  const [rest] = faults.note([fault]);
  expect(rest).toMatchObject({ seconds: 600, reason: "3 attempts in a row failed there; the last: it died" });
  expect(secondsOf(faults.note([fault, fault, fault]))).toEqual([1_200]);
});

test("what runs do wrong themselves is no fault of the machine, and a good one ends the count [compute.rest]", () => {
  const faults = new Faults(() => machine("lab1"));
  const mixed = [fault, fault, ended("lab1", "assertion"), fault, fault, ended("lab1", null), fault, fault];
  expect(faults.note(mixed)).toEqual([]);
});

test("attempts that end together are one reason to rest [compute.rest]", () => {
  const faults = new Faults(() => machine("lab1"));
  expect(secondsOf(faults.note(Array.from({ length: 9 }, () => fault)))).toEqual([600]);
});

test("attempts that were placed before it showed that the disk was emptied are one fault together [compute.rest] [compute.emptied]", () => {
  const faults = new Faults(() => machine("lab1"));
  const lacking = (seconds: number) =>
    ended("lab1", "not-started", new Date(Date.now() + seconds * 1_000).toISOString());
  expect(faults.note([lacking(-9), lacking(-8), lacking(-7), lacking(-6)])).toEqual([]);
  expect(faults.note([lacking(10)])).toEqual([]);
  // What was made ready again was missing again, and again.
  expect(secondsOf(faults.note([lacking(20)]))).toEqual([600]);
});

test("this machine, a cluster, and one that rests already do not rest [compute.rest]", () => {
  for (const more of [{ isHere: true }, { isPlaced: false }, { isOpen: false }]) {
    expect(new Faults(() => machine("lab1", more)).note([fault, fault, fault])).toEqual([]);
  }
});

test("an experiment is held when one job after another finds nothing prepared at a cluster [F21] [compute.unprepared]", () => {
  const of = (experiment: string, category: string | null): Ended => {
    const { live, outcome } = ended("cluster", category);
    return {
      live: { attempt: { ...live.attempt, compute: "marlowe" }, experiment: { id: experiment } },
      outcome,
    } as Ended;
  };
  const jobs = new UnpreparedJobs();
  const [first, other] = [of("a", "unprepared"), of("b", "unprepared")];
  expect(jobs.note([first, first, other, of("a", null), first, other])).toEqual([]);
  const held = jobs.note([first, first, first, first]);
  expect(held).toMatchObject([
    { experiment: { id: "a" }, reason: expect.stringContaining("3 jobs in a row could not begin at marlowe. it died") },
  ]);
  // After a release, it is held as soon again.
  expect(jobs.note([first, first])).toEqual([]);
  expect(jobs.note([first])).toHaveLength(1);
  expect(jobs.note([of("a", "not-started"), of("a", "not-started"), of("a", "not-started")])).toEqual([]);
});
