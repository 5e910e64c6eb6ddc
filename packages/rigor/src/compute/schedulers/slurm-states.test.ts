import { expect, test } from "vitest";
import type { QueueRecord } from "./slurm-answers.ts";
import { queuedMembers, reportOf } from "./slurm-states.ts";

const pending = (reason: string): QueueRecord => ({
  id: "7",
  task: "N/A",
  name: "rigor-1",
  state: "PENDING",
  reason,
  host: null,
  restarts: 0,
  held: false,
  exit: null,
});

test.each([
  "PartitionConfig",
  "PartitionTimeLimit",
  "JobHeldUser",
  "JobHoldMaxRequeue",
  "BadConstraints",
  "InvalidAccount",
  "QOSMaxGRESPerJob",
  "QOSMaxCpuPerNode",
  "QOSMaxWallDurationPerJobLimit",
  "AssocMaxCpuMinutesPerJobLimit",
  "QOSMinGRES",
  "MaxMemPerLimit",
])("a job that waits for %s waits for a person [compute.stuck]", (reason) => {
  expect(reportOf(pending(reason))).toEqual({ state: "waiting", reason, held: true });
});

test.each([
  "Priority",
  "Resources",
  "QOSMaxGRESPerUser",
  "QOSMaxJobsPerUserLimit",
  "AssocGrpGRES",
  "AssocMaxJobsLimit",
  "ReqNodeNotAvail, UnavailableNodes:n1",
  "PartitionDown",
  "JobArrayTaskLimit",
  "BeginTime",
  "Dependency",
])("a job that waits for %s is started without one [compute.stuck]", (reason) => {
  expect(reportOf(pending(reason))).toEqual({ state: "waiting", reason, held: false });
});

test("an end is told with the id of the member, as Slurm's commands take it [F22]", () => {
  const ended = { ...pending("None"), reason: null, state: "COMPLETED", host: "n1" };
  const members = queuedMembers([{ ...ended, id: "311644", task: "1" }], [{ name: "rigor-1", size: 2 }]);
  expect([...members.values()].map(({ report }) => report)).toEqual([
    { state: "ended", cause: "finished", evidence: "Slurm says COMPLETED of job 311644_1 on n1." },
  ]);
  const failed = { ...ended, state: "FAILED", reason: "NonZeroExitCode", exit: { code: 3, signal: 0 } };
  expect(reportOf(failed)).toMatchObject({
    evidence: "Slurm says FAILED of job 7 on n1: exit status 3, reason NonZeroExitCode.",
  });
});
