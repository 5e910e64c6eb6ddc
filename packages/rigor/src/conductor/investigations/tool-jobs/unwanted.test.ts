import { expect, test } from "vitest";
import { toolPatience } from "./patience.ts";
import { whatToDo } from "./unwanted.ts";

const lost = { isWanted: false, isOwn: false, hasDaemon: false, isReachable: false, forsakenMs: 0 };
const waiting = { ...lost, isWanted: true };
const minutes = 60_000;

test.each([
  ["of this daemon", { ...lost, isOwn: true, hasDaemon: true, isReachable: true }, "end"],
  ["of another one that lives", { ...lost, hasDaemon: true, isReachable: true }, "leave"],
  ["of a lost machine, where it can be reached", { ...lost, isReachable: true }, "end"],
  ["of a lost machine, which may still run", { ...lost, forsakenMs: 15 * minutes }, "leave"],
  ["of a lost machine, which must have ended by itself", { ...lost, forsakenMs: 20 * minutes }, "count-as-over"],
  ["on a host that does not answer either", { ...lost, isReachable: true, forsakenMs: 20 * minutes }, "count-as-over"],
  ["of an investigation that goes on here", { ...waiting, isOwn: true, hasDaemon: true, isReachable: true }, "leave"],
  ["of one that goes on elsewhere", { ...waiting, hasDaemon: true, isReachable: true }, "leave"],
  ["of one whose machine may come back in time", { ...waiting, isReachable: true, forsakenMs: 19 * minutes }, "leave"],
  ["of one whose machine does not", { ...waiting, isReachable: true, forsakenMs: 20 * minutes }, "end"],
  ["that cannot be reached either", { ...waiting, forsakenMs: 20 * minutes }, "leave"],
  ["that cannot be reached for long", { ...waiting, isReachable: true, forsakenMs: 40 * minutes }, "count-as-over"],
] as const)("the job of a tool server %s: its lease [investigate.compute-ends]", (_, job, expected) => {
  expect(whatToDo(job, toolPatience(600))).toBe(expected);
});

test("a tool server outlives who has lost it, and is over before anybody counts on that [investigate.compute-ends]", () => {
  const { lostMs, unattendedSeconds, surelyOverMs } = toolPatience(600);
  expect(lostMs).toBe(10 * minutes);
  expect(lostMs).toBeLessThan(unattendedSeconds * 1_000);
  expect(unattendedSeconds * 1_000).toBeLessThan(surelyOverMs);
});
