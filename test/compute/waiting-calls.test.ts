/** Jobs of Slurm that wait until it may be called. */
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Handle, JobStatus } from "../../packages/rigor/src/compute/executor.ts";
import { makeJob } from "../../packages/rigor/src/compute/executors/executor.testing.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import type { JobSpec } from "../../packages/rigor/src/compute/attempt/job.ts";
import { CallLine } from "../../packages/rigor/src/compute/schedulers/call-line.ts";
import { SlurmScheduler } from "../../packages/rigor/src/compute/schedulers/slurm.ts";
import { slurmCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { Login } from "./slurm.testing.ts";

/** Calls in a minute that leave ten seconds between two of them. */
const rare = 6;

describe.skipIf(slurmMissing() !== null)("jobs that wait for a call", () => {
  let cluster: SlurmCluster;
  let folder: string;
  let login: Login;
  let executor: SchedulerExecutor;

  beforeAll(async () => {
    cluster = await startSlurm();
  });
  afterAll(() => cluster.stop());
  afterEach(() => executor.close());

  function open(callsPerMinute: number, directives: readonly string[] = []): SchedulerExecutor {
    login = new Login(new LocalShell(), cluster.environment);
    const settings = slurmCompute.parse({ kind: "slurm", directives });
    return new SchedulerExecutor({
      shell: login,
      scheduler: (shell) => new SlurmScheduler(shell, settings),
      directory: join(folder, "there"),
      dataDirectory: join(folder, "data"),
      calls: new CallLine(callsPerMinute),
    });
  }

  const handleOf = ({ attempt, run }: JobSpec): Handle => ({ attempt, run });
  const job = (command: string, more: Partial<JobSpec> = {}) => makeJob(cluster.scratch, command, more);
  const look = async (handle: Handle) => (await executor.status([handle])).get(handle.attempt);

  /** The last state before the one that is waited for, and that one. */
  async function follow(handle: Handle, state: JobStatus["state"]): Promise<(JobStatus | undefined)[]> {
    let before: JobStatus | undefined;
    for (;;) {
      const status = await look(handle);
      if (status?.state === state) return [before, status];
      before = status;
      await sleep(50);
    }
  }

  test("jobs wait for their submission and are submitted once, and one that is cancelled meanwhile never is [compute.waiting-calls] [F10]", async () => {
    folder = mkdtempSync(join(cluster.scratch, "one-"));
    executor = open(rare);
    await executor.facts();
    await executor.submit([job("sleep 1")]);
    await expect.poll(() => executor.calls()).toMatchObject({ jobs: 0 });
    login.calls.length = 0;
    const jobs = Array.from({ length: 4 }, (_, index) =>
      job(`echo ran >>'${index}'`, {
        working_directory: folder,
        resources: { cpus: 1 + index, gpus: 0, memory: null },
      }),
    );
    const [first, second, third, fourth] = jobs.map(handleOf);
    if (first === undefined || second === undefined || third === undefined || fourth === undefined) throw new Error();
    expect(await executor.submit(jobs)).toEqual([]);
    expect(await executor.submit(jobs)).toEqual([]);
    expect(await look(fourth)).toEqual({
      state: "unsubmitted",
      reason: `not submitted yet: calls_per_minute allows ${rare} calls`,
    });
    expect(executor.calls()).toMatchObject({ per_minute: rare, jobs: 4, waiting: { submit: 1 } });
    await executor.cancel([third]);
    // Nobody has waited for a call until here.
    expect(login.calls).toEqual([]);
    expect((await follow(third, "gone")).at(-1)).toEqual({ state: "gone", withdrawn: true });
    for (const handle of [first, second, fourth]) await follow(handle, "ended");
    expect(login.calls.filter((call) => call === "sbatch")).toHaveLength(3);
    expect(login.calls).not.toContain("scancel");
    const ran = [0, 1, 2, 3].filter((index) => existsSync(join(folder, `${index}`)));
    expect(ran).toEqual([0, 1, 3]);
    for (const index of ran) expect(readFileSync(join(folder, `${index}`), "utf8")).toBe("ran\n");
  });

  test("a job that waits in the queue is over when the scheduler was told so, and jobs that wait to be submitted then are left to the next daemon [compute.waiting-calls]", async () => {
    folder = mkdtempSync(join(cluster.scratch, "two-"));
    executor = open(rare, ["--begin=now+1hour"]);
    await executor.facts();
    const [queued, other] = [job("true"), job("true")];
    await executor.submit([queued]);
    await follow(handleOf(queued), "waiting");
    expect(await executor.submit([other])).toEqual([]);
    await executor.cancel([handleOf(queued)]);
    expect(await look(handleOf(queued))).toMatchObject({ state: "waiting" });
    expect(await follow(handleOf(queued), "gone")).toMatchObject([{ state: "waiting" }, { withdrawn: true }]);
    expect(login.calls).toContain("scancel");
    const later = job("true");
    expect(await executor.submit([later])).toEqual([]);
    await executor.close();
    executor = open(60);
    expect(await look(handleOf(later))).toEqual({ state: "unclaimed" });
  });
});
