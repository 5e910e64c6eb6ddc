import { expect, test } from "vitest";
import { whatToDo } from "./unwanted.ts";

const lost = { isOwn: false, hasDaemon: false, isReachable: false, forsakenMs: 0 };
const minutes = 60_000;

test.each([
  ["of this daemon", { ...lost, isOwn: true, hasDaemon: true, isReachable: true }, "end"],
  ["of another one that lives", { ...lost, hasDaemon: true, isReachable: true }, "leave"],
  ["of a lost machine, where it can be reached", { ...lost, isReachable: true }, "end"],
  ["of a lost machine, which may still run", { ...lost, forsakenMs: 15 * minutes }, "leave"],
  ["of a lost machine, which must have ended by itself", { ...lost, forsakenMs: 20 * minutes }, "count-as-over"],
  ["on a host that does not answer either", { ...lost, isReachable: true, forsakenMs: 20 * minutes }, "count-as-over"],
] as const)("the job of a tool server %s: its lease [investigate.compute-ends]", (_, job, expected) => {
  expect(whatToDo(job)).toBe(expected);
});
