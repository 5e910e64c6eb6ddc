import { expect, test } from "vitest";
import { makeJob } from "../executors/executor.testing.ts";
import { allocationOf } from "./batches.ts";
import { PendingJobs } from "./pending-jobs.ts";

const large = { cpus: 4, gpus: 1, memory: 2 ** 30 };

function pend(count: number) {
  const jobs = Array.from({ length: count }, (_, index) =>
    makeJob("/", ["true"], index % 2 === 0 ? {} : { resources: large }),
  );
  const pending = new PendingJobs();
  for (const job of jobs) pending.add(job);
  const takeAll = (limit: number) => {
    const groups = [];
    for (let group = pending.next(limit); group !== null; group = pending.next(limit)) {
      groups.push(group);
      for (const { attempt } of group) pending.delete(attempt);
    }
    return groups;
  };
  return { jobs, pending, takeAll };
}

test("jobs that ask for the same go together, as many as a site allows [compute.arrays]", () => {
  const { jobs, takeAll } = pend(7);
  const groups = takeAll(3);
  expect(groups.map((group) => group.length)).toEqual([3, 3, 1]);
  expect(new Set(groups.flat())).toEqual(new Set(jobs));
  for (const group of groups) expect(new Set(group.map((job) => JSON.stringify(allocationOf(job)))).size).toBe(1);
  expect(pend(7).takeAll(1)).toHaveLength(7);
  expect(pend(0).takeAll(3)).toEqual([]);
});

test("what comes or goes before a batch is made counts, and each directory is written once", () => {
  const { jobs, pending } = pend(4);
  const [first, second, third, fourth] = jobs;
  if (first === undefined || second === undefined || third === undefined || fourth === undefined) throw new Error();
  pending.delete(first.attempt);
  const later = makeJob("/", ["true"]);
  pending.add(later);
  expect(pending.takeUnwritten()).toEqual([second, third, fourth, later]);
  expect(pending.takeUnwritten()).toEqual([]);
  expect(pending.next(10)).toEqual([second, fourth]);
  expect(pending.has(third.attempt)).toBe(true);
  expect(pending.size).toBe(4);
});
