import { expect, test } from "vitest";
import { CallBudget } from "./call-budget.ts";

/** How many looks there are in a time, when somebody asks 100 times a second; each look costs some calls. */
function looksWithin(budget: CallBudget, seconds: number, cost = 1): number {
  let looks = 0;
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += 10) {
    if (!budget.allowsLook(nowMs)) continue;
    looks += 1;
    for (let call = 0; call < cost; call += 1) budget.spend(nowMs);
  }
  return looks;
}

test("looks are spread evenly, and never more than the calls that are allowed [compute.calls-per-minute]", () => {
  expect(looksWithin(new CallBudget(60), 60)).toBe(60);
  expect(looksWithin(new CallBudget(60), 5)).toBe(5);
  expect(looksWithin(new CallBudget(60), 60, 3)).toBe(20);
  expect(looksWithin(new CallBudget(1), 59)).toBe(1);
});

test("submissions and cancellations are never held up: looks make room for them [compute.calls-per-minute]", () => {
  const budget = new CallBudget(60);
  for (let call = 0; call < 10; call += 1) budget.spend(0);
  expect(looksWithin(budget, 10)).toBe(0);
  expect(budget.allowsLook(10_000)).toBe(true);
});

test("time that passed without calls is not saved up", () => {
  const budget = new CallBudget(60);
  budget.spend(3_600_000);
  expect(budget.allowsLook(3_600_500)).toBe(false);
  expect(budget.allowsLook(3_601_000)).toBe(true);
});
