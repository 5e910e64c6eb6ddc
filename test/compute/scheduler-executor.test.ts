import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory, attemptPath } from "../../packages/rigor/src/compute/attempt/attempt-directory.ts";
import type { Handle, JobStatus, Submitted } from "../../packages/rigor/src/compute/executor.ts";
import { makeJob, untilExists } from "../../packages/rigor/src/compute/executors/executor.testing.ts";
import { SchedulerExecutor } from "../../packages/rigor/src/compute/executors/scheduler.ts";
import type { JobSpec } from "../../packages/rigor/src/compute/attempt/job.ts";
import { CallLine } from "../../packages/rigor/src/compute/schedulers/call-line.ts";
import { SlurmScheduler } from "../../packages/rigor/src/compute/schedulers/slurm.ts";
import { RigorError } from "../../packages/rigor/src/domain/errors.ts";
import { slurmCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import type { Answer, ScriptOptions } from "../../packages/rigor/src/hosts/shell.ts";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { Login } from "./slurm.testing.ts";

/** A login whose connection is lost at a submission: before it reaches the scheduler, or before its answer comes back. */
class Connection extends Login {
  lost: "before" | "after" | null = null;
  /** Calls after which nothing answers any more. */
  lasts = Number.POSITIVE_INFINITY;
  /** The scheduler takes a batch and says that it has not. */
  timesOut = false;

  override async run(script: string, options?: ScriptOptions): Promise<Answer> {
    this.lasts -= 1;
    if (this.lasts < 0) throw new RigorError("unreachable", "The connection was lost.");
    const lost = script.includes("--job-name=") ? this.lost : null;
    if (lost === "before") throw new RigorError("unreachable", "The connection was lost.");
    const answer = await super.run(script, options);
    if (lost === "after") throw new RigorError("unreachable", "The connection was lost.");
    if (!this.timesOut || !script.includes("--job-name=")) return answer;
    const stderr = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n";
    return { status: 1, stdout: Buffer.from(""), stderr };
  }
}

describe.skipIf(slurmMissing() !== null)("jobs on Slurm", () => {
  let cluster: SlurmCluster;
  let folder: string;
  let login: Connection;
  let executor: SchedulerExecutor;

  beforeAll(async () => {
    cluster = await startSlurm({ maxArraySize: 11, settings: ["KillOnBadExit=0"] });
  });
  afterAll(() => cluster.stop());

  beforeEach(() => {
    folder = mkdtempSync(join(cluster.scratch, "rigor 'x' "));
    executor = open();
  });
  afterEach(async () => {
    await executor.close();
    await cluster.client("scancel", "--user=root");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  function open(
    options: Record<string, unknown> = {},
    callsPerMinute = 6_000,
    place = folder,
    data = "data",
  ): SchedulerExecutor {
    login = new Connection(new LocalShell(), cluster.environment);
    return new SchedulerExecutor({
      shell: login,
      scheduler: (shell) => new SlurmScheduler(shell, slurmCompute.parse({ kind: "slurm", signal: null, ...options })),
      directory: join(place, "there"),
      dataDirectory: join(place, data),
      calls: new CallLine(callsPerMinute),
    });
  }

  const batchFiles = () => readdirSync(join(folder, "data/batches"));
  const handleOf = ({ attempt, run }: JobSpec): Handle => ({ attempt, run });
  const job = (command: string, more: Partial<JobSpec> = {}) => makeJob(cluster.scratch, command, more);
  const directoryOf = ({ run, attempt }: { run: string; attempt: string }) =>
    new AttemptDirectory(join(folder, "there/attempts", attemptPath(run, attempt)));

  async function submit(command: string, more: Partial<JobSpec> = {}): Promise<Handle> {
    const [handle] = await executor.submit([job(command, more)]);
    if (handle === undefined) throw new Error("nothing was submitted");
    return handle;
  }

  const look = async (handle: Handle) => (await executor.status([handle])).get(handle.attempt);

  /** Looks until the job is in the state, and returns the states on the way, each once. */
  async function follow(handle: Handle, state: JobStatus["state"], seconds = 60): Promise<JobStatus[]> {
    const seen: JobStatus[] = [];
    const deadline = performance.now() + seconds * 1000;
    while (performance.now() < deadline) {
      const status = await look(handle);
      if (status !== undefined && status.state !== seen.at(-1)?.state) seen.push(status);
      if (status?.state === state) return seen;
      await sleep(50);
    }
    throw new Error(`${handle.attempt} is not ${state}: ${JSON.stringify(seen)}`);
  }

  const statesOf = (seen: readonly JobStatus[]): string[] => seen.map(({ state }) => state);

  /** What Slurm calls a job that was submitted. */
  const slurmJob = ({ job = "" }: Submitted): string => job;

  test("a batch that never reached the scheduler is submitted again by the next executor, and runs once [F10]", async () => {
    const one = job(`echo ran >>'count'`, { working_directory: folder });
    login.lost = "before";
    await expect(executor.submit([one])).rejects.toMatchObject({ code: "unreachable" });
    expect(batchFiles()).toHaveLength(1);
    await executor.close();
    executor = open();
    expect(statesOf(await follow(handleOf(one), "unclaimed"))).toEqual(["waiting", "unclaimed"]);
    await executor.submit([one]);
    await follow(handleOf(one), "ended");
    expect(readFileSync(join(folder, "count"), "utf8")).toBe("ran\n");
    expect(batchFiles()).toHaveLength(1);
  });

  test("a batch whose submission was never answered is found by its name, and not submitted again [F10]", async () => {
    const jobs = Array.from({ length: 5 }, () => job(`sleep 3; echo ran >>'count'`, { working_directory: folder }));
    login.lost = "after";
    await expect(executor.submit(jobs)).rejects.toMatchObject({ code: "unreachable" });
    await executor.close();
    executor = open();
    const handles = await executor.submit(jobs);
    expect(login.calls).not.toContain("sbatch");
    for (const handle of handles) await follow(handle, "ended");
    expect(readFileSync(join(folder, "count"), "utf8")).toBe("ran\n".repeat(5));
    expect(handles.map(({ attempt }) => attempt)).toEqual(jobs.map(({ attempt }) => attempt));
  });

  test("a crash after any call of a submission starts each job once [F10]", async () => {
    const rounds = Array.from({ length: 8 }, async (_, calls) => {
      const here = join(folder, `${calls}`);
      const first = open({}, 6_000, here);
      login.lasts = calls;
      const jobs = Array.from({ length: 3 }, (_job, index) =>
        job(`echo ran >>'${calls}-${index}'`, { working_directory: folder }),
      );
      const submitted = await first.submit(jobs).then(
        () => true,
        () => false,
      );
      const next = open({}, 6_000, here);
      const handles = jobs.map(handleOf);
      const end = async () => {
        const statuses = await next.status(handles);
        await next.submit(jobs.filter(({ attempt }) => statuses.get(attempt)?.state === "unclaimed"));
        return [...statuses.values()].filter(({ state }) => state === "ended");
      };
      await expect.poll(end, { interval: 200 }).toHaveLength(3);
      await Promise.all([first.close(), next.close()]);
      return submitted;
    });
    const submitted = await Promise.all(rounds);
    expect(submitted[0]).toBe(false);
    expect(submitted.at(-1)).toBe(true);
    const counts = readdirSync(folder).filter((name) => /^\d-\d$/.test(name));
    expect(counts).toHaveLength(24);
    for (const name of counts) expect(readFileSync(join(folder, name), "utf8"), name).toBe("ran\n");
  });

  test("a daemon elsewhere takes over what another has submitted: it sees each end, and can cancel [shared.take-over]", async () => {
    const jobs = Array.from({ length: 3 }, () =>
      job(`echo ran >>'count'; until [ -e go ]; do sleep 0.2; done; echo {} >"$RIGOR_OUTPUT/result.json"`, {
        working_directory: folder,
        outputs: ["result.json"],
        time_limit: 600,
      }),
    );
    const handles = await executor.submit(jobs);
    const identity = await executor.identity();
    await executor.close();
    executor = open({}, 6_000, folder, "elsewhere");
    expect(await executor.identity()).toBe(identity);
    await executor.takeOver(handles.map(({ attempt, run }) => ({ attempt, run })));
    const [first, ...others] = handles;
    for (const handle of handles) await follow(handle, "running");
    if (first !== undefined) await executor.cancel([first]);
    if (first !== undefined)
      expect((await follow(first, "ended")).at(-1)).toMatchObject({ exit: { reason: "cancelled" } });
    writeFileSync(join(folder, "go"), "");
    for (const handle of others) {
      expect((await follow(handle, "ended")).at(-1)).toMatchObject({ exit: { code: 0 } });
      const copy = AttemptDirectory.in(join(folder, "elsewhere"), handle.run, handle.attempt);
      expect(readFileSync(join(copy.output, "result.json"), "utf8")).toBe("{}\n");
    }
    expect(readFileSync(join(folder, "count"), "utf8")).toBe("ran\n".repeat(3));
  });

  test("a batch that the scheduler has taken although it said that it failed runs once [F10]", async () => {
    const jobs = Array.from({ length: 2 }, () => job(`echo ran >>'count'`, { working_directory: folder }));
    login.timesOut = true;
    const handles = await executor.submit(jobs);
    for (const handle of handles) expect((await follow(handle, "ended")).at(-1)).toMatchObject({ exit: { code: 0 } });
    expect(readFileSync(join(folder, "count"), "utf8")).toBe("ran\n".repeat(2));
  });

  test("jobs that the scheduler refuses are gone with its words, also for the next executor; others run [compute.own-words]", async () => {
    const [good, ...bad] = await executor.submit([
      job("sleep 1"),
      ...Array.from({ length: 2 }, () =>
        job("sleep 1", { resources: { cpus: 1, gpus: 99, memory: null }, secrets: { TOKEN: "secret" } }),
      ),
    ]);
    if (good === undefined) throw new Error("nothing was submitted");
    const refused = {
      state: "gone",
      withdrawn: false,
      category: "submission",
      evidence: expect.stringContaining("sbatch on login failed: "),
    };
    const look = () => executor.status(bad);
    for (const status of (await look()).values()) expect(status).toMatchObject(refused);
    for (const handle of bad) expect(existsSync(directoryOf(handle).secrets)).toBe(false);
    await executor.close();
    executor = open();
    for (const status of (await look()).values()) expect(status).toMatchObject(refused);
    expect((await follow(good, "ended")).at(-1)).toMatchObject({ exit: { code: 0 } });
  });

  test("jobs go as arrays of the size that the site allows, each group with what it asks for [F14] [F22]", async () => {
    const small = Array.from({ length: 25 }, (_, index) => job(`echo "$SLURM_CPUS_ON_NODE"; exit ${index % 3}`));
    const large = Array.from({ length: 3 }, () =>
      job(`echo "$SLURM_CPUS_ON_NODE $CUDA_VISIBLE_DEVICES"`, {
        resources: { cpus: 3, gpus: 1, memory: 2 ** 27 },
        time_limit: null,
      }),
    );
    const handles = await executor.submit([...small, ...large]);
    expect(login.calls.filter((call) => call === "sbatch")).toHaveLength(5); // one of them asks what is allowed
    for (const handle of handles) await follow(handle, "ended");
    for (const [index, handle] of handles.entries()) {
      const status = await look(handle);
      expect(status).toMatchObject({ state: "ended", exit: { code: index < 25 ? index % 3 : 0 } });
      expect(readFileSync(directoryOf(handle).stdout, "utf8")).toMatch(index < 25 ? /^1\n$/ : /^3 [01]\n$/);
    }
  });

  test("one look at any number of jobs is one call, and looks keep to the calls that are allowed [F15] [compute.constant-calls] [compute.calls-per-minute]", async () => {
    await executor.close();
    const opened = performance.now();
    executor = open({}, 30);
    const handles = await executor.submit(Array.from({ length: 11 }, () => job("sleep 100")));
    login.calls.length = 0;
    const began = performance.now();
    while (performance.now() - began < 9_000) {
      await executor.status(handles);
      await sleep(50);
    }
    const looks = login.calls.length;
    expect(new Set(login.calls)).toEqual(new Set(["squeue"]));
    // Two were left of those that may be made at once; further ones come every 2.3 s, also while the machine is slow.
    expect(looks).toBeGreaterThanOrEqual(2);
    expect(looks).toBeLessThanOrEqual(2 + Math.ceil((performance.now() - opened) / 2_300));
    await executor.cancel(handles);
    await expect.poll(() => login.calls.filter((call) => call === "scancel")).toHaveLength(1);
  });

  /** Saves how far it came; ends only when a file `end` appears. */
  const endless = `echo "from \${RIGOR_RESUME-nothing}"; mkdir -p "$RIGOR_OUTPUT/checkpoints"
    echo x >>"$RIGOR_OUTPUT/checkpoints/step"; echo '{"step":1,"loss":1}' >>"$RIGOR_OUTPUT/metrics.jsonl"
    while [ ! -e "$RIGOR_OUTPUT/end" ]; do sleep 0.1; done`;

  test("a job that is preempted waits, is started again, goes on from its checkpoint, and was never lost [F16] [compute.requeue]", async () => {
    await executor.close();
    executor = open({ partition: "preempt" });
    const resources = { cpus: 1, gpus: 2, memory: null };
    const handle = await submit(endless, { resources, secrets: { TOKEN: "secret" } });
    const other = await submit(endless, { resources });
    const directory = directoryOf(handle);
    for (const each of [handle, other]) await untilExists(join(directoryOf(each).checkpoints, "step"), 60);
    await follow(handle, "running");
    const urgent = await cluster.submit("sleep 3", "--partition=urgent", "--gres=gpu:2", "--array=0-1");
    const seen = [...(await follow(handle, "waiting")), ...(await follow(handle, "running"))];
    await expect.poll(() => readFileSync(directory.stdout, "utf8")).toContain("checkpoints");
    expect(await cluster.state(`${urgent}_0`)).toBe("COMPLETED");
    writeFileSync(join(directory.output, "end"), "");
    seen.push(...(await follow(handle, "ended")));
    expect(statesOf(seen).filter((state) => state === "unclaimed" || state === "gone")).toEqual([]);
    expect(seen.at(-1)).toMatchObject({ exit: { code: 0, reason: "exited" } });
    expect(readFileSync(directory.stdout, "utf8")).toBe(`from nothing\nfrom ${directory.checkpoints}\n`);
    const collected = await executor.collect([{ handle, offsets: { stdout: 0, stderr: 0, metrics: 0 } }]);
    const found = collected.get(handle.attempt);
    expect(Buffer.from(found?.stdout ?? []).toString()).toBe(readFileSync(directory.stdout, "utf8"));
    expect(Buffer.from(found?.metrics ?? []).toString()).toBe('{"step":1,"loss":1}\n'.repeat(2));
    expect(existsSync(directory.secrets)).toBe(false);
    await executor.cancel([other]);
  });

  test("a job that is preempted for good is gone, for that reason [F13] [F16]", async () => {
    await executor.close();
    executor = open({ partition: "preempt", requeue: false });
    const resources = { cpus: 1, gpus: 2, memory: null };
    const handles = await executor.submit(
      Array.from({ length: 2 }, () => job(endless, { resources, secrets: { TOKEN: "secret" } })),
    );
    for (const handle of handles) await untilExists(join(directoryOf(handle).checkpoints, "step"), 60);
    await cluster.submit("sleep 1", "--partition=urgent", "--gres=gpu:2", "--array=0-1");
    for (const handle of handles) {
      const seen = await follow(handle, "gone");
      expect(seen.at(-1)).toMatchObject({
        withdrawn: false,
        category: "preempted",
        evidence: expect.stringContaining("PREEMPTED"),
      });
      expect(existsSync(directoryOf(handle).secrets)).toBe(false);
    }
  });

  test("a job whose node failed is gone, or is started again, and never executed twice at a time [F11] [F16] [compute.requeue]", async () => {
    await executor.close();
    const onOneNode = ["--nodelist=n1"];
    executor = open({ requeue: false, directives: onOneNode });
    const lost = await submit(endless);
    await untilExists(join(directoryOf(lost).checkpoints, "step"), 60);
    const other = open({ directives: onOneNode });
    const [again] = await other.submit([job(endless)]);
    if (again === undefined) throw new Error("nothing was submitted");
    await untilExists(join(directoryOf(again).checkpoints, "step"), 60);
    await follow(lost, "running");
    await cluster.crashNode("n1");
    await sleep(3_000);
    expect(await look(lost)).toMatchObject({ state: "running" });
    await cluster.declareDown("n1");
    const requeued = async () => (await other.status([again])).get(again.attempt);
    await expect.poll(requeued).toMatchObject({ state: "waiting" });
    await cluster.bootNode("n1");
    expect((await follow(lost, "gone")).at(-1)).toMatchObject({ category: "node-failure" });
    await executor.close();
    executor = other;
    await expect
      .poll(() => readFileSync(directoryOf(again).stdout, "utf8"))
      .toContain(`from ${directoryOf(again).checkpoints}`);
    writeFileSync(join(directoryOf(again).output, "end"), "");
    expect((await follow(again, "ended")).at(-1)).toMatchObject({ exit: { code: 0 } });
  });

  test("a waiting job tells its reason and whether it is held, and is withdrawn when it is cancelled [job.cancel]", async () => {
    const handles = await executor.submit(
      Array.from({ length: 10 }, () => job("sleep 1000", { resources: { cpus: 8, gpus: 0, memory: null } })),
    );
    const last = handles.at(-1);
    if (last === undefined) throw new Error("nothing was submitted");
    await expect.poll(() => look(last)).toMatchObject({ reason: expect.stringMatching(/./) });
    expect(await look(last)).toMatchObject({ state: "waiting", held: false });
    const alone = await submit("sleep 1000", { resources: { cpus: 8, gpus: 0, memory: null } });
    await cluster.client("scontrol", "hold", slurmJob(alone));
    await expect.poll(() => look(alone)).toMatchObject({ state: "waiting", held: true });
    await executor.cancel([...handles, alone]);
    for (const handle of [last, alone]) {
      expect((await follow(handle, "gone")).at(-1)).toMatchObject({ state: "gone", withdrawn: true });
    }
    await expect.poll(() => cluster.client("squeue", "--noheader", "--format=%i")).toBe("");
  });

  test("a job that somebody else cancels is gone, whether it ran or waited: it is neither done nor started again [F13] [F16]", async () => {
    const running = await submit("sleep 1000");
    const waiting = await submit("sleep 1000", { resources: { cpus: 8, gpus: 0, memory: null } });
    const more = await submit("sleep 1000", { resources: { cpus: 8, gpus: 0, memory: null } });
    await follow(running, "running");
    const queued = (await look(waiting))?.state === "waiting" ? waiting : more;
    await untilExists(directoryOf(running).stdout);
    await cluster.client("scancel", slurmJob(running), slurmJob(queued));
    expect((await follow(running, "gone")).at(-1)).toMatchObject({
      category: "killed",
      evidence: expect.stringContaining("CANCELLED"),
    });
    expect((await follow(queued, "gone")).at(-1)).toMatchObject({ withdrawn: false, category: "killed" });
    await executor.close();
    executor = open();
    expect((await follow(queued, "gone")).at(-1)).toMatchObject({ withdrawn: false, category: "killed" });
  });

  test("without the scheduler nothing is concluded, and ends that the files show are told all the same [F11]", async () => {
    const long = await submit(endless);
    const short = await submit("sleep 2");
    await follow(long, "running");
    await follow(short, "running");
    await cluster.end("slurmctld", "TERM");
    await untilExists(directoryOf(short).exit);
    const lookAtBoth = () => executor.status([long, short]).catch(() => null);
    await expect
      .poll(async () => (await lookAtBoth())?.get(short.attempt), { interval: 100 })
      .toMatchObject({ state: "ended" });
    await expect(executor.status([long])).rejects.toMatchObject({ code: "scheduler" });
    const later = job("true");
    for (const attempt of [1, 2]) {
      await expect(executor.submit([later]), `try ${attempt}`).rejects.toMatchObject({ code: "unreachable" });
    }
    await cluster.start("slurmctld");
    await cluster.ready();
    expect(statesOf(await follow(long, "running"))).toEqual(["running"]);
    writeFileSync(join(directoryOf(long).output, "end"), "");
    await follow(long, "ended");
    await follow(handleOf(later), "unclaimed");
    await executor.submit([later]);
    await follow(handleOf(later), "ended");
  });
});
