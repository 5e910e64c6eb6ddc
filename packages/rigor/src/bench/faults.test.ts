import { expect, test } from "vitest";
import { Faults } from "./faults.ts";
import type { Lane } from "./lane.ts";
import type { Ended } from "./live-attempts.ts";

const machine = (id: string, more: Partial<Lane> = {}): Lane =>
  ({ id, isHere: false, isPlaced: true, isOpen: true, ...more }) as Lane;

function ended(compute_id: string, category: string | null): Ended {
  const retry_class = category === "node-failure" ? "infrastructure" : "code";
  const outcome = { state: category === null ? "succeeded" : "lost", category, retry_class, evidence: "it died" };
  return { live: { attempt: { compute_id } }, outcome } as unknown as Ended;
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

test("this machine, a cluster, and one that rests already do not rest [compute.rest]", () => {
  for (const more of [{ isHere: true }, { isPlaced: false }, { isOpen: false }]) {
    expect(new Faults(() => machine("lab1", more)).note([fault, fault, fault])).toEqual([]);
  }
});
