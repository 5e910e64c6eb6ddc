import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SlurmScheduler } from "../../packages/rigor/src/compute/schedulers/slurm.ts";
import { slurmCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { until } from "../clusters/host.ts";
import { type SlurmCluster, slurmMissing, startSlurm } from "../clusters/slurm.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { isRunning, waitLimitMs, written } from "./scheduler.testing.ts";
import { Bench, Login } from "./slurm.testing.ts";

const startLimitMs = 120_000;

/** Waits until the controller knows a job no more. */
async function forgotten(cluster: SlurmCluster, id: string | null): Promise<void> {
  const isForgotten = async () => /Invalid job id/.test(await cluster.state(id ?? "").catch(String));
  await until(isForgotten, waitLimitMs, () => `The controller still knows job ${id}.`);
}

describe.skipIf(slurmMissing() !== null)("Slurm without a job history", () => {
  let cluster: SlurmCluster;
  let bench: Bench;
  beforeAll(async () => {
    cluster = await startSlurm({ forgetAfter: 10 });
    bench = new Bench(cluster, new LocalShell());
  }, startLimitMs);
  afterEach(() => cluster.client("scancel", "--user=root"));
  afterAll(() => cluster.stop());

  test("a batch of one runs where it was told to, with nothing of the login's environment [compute.clean-login]", async () => {
    const batch = await bench.submit('pwd; env >environment; echo "${SLURM_ARRAY_TASK_ID-none}"; ulimit -t');
    expect(batch.id).toMatch(/^\d+$/);
    expect(await bench.ends(batch)).toEqual(["finished"]);
    expect(written(batch, "slurm-0.log")).toBe(`${batch.directory}\nnone\nunlimited\n`);
    const environment = written(batch, "environment");
    expect(environment).toMatch(new RegExp(`^SLURM_JOB_ID=${batch.id}$`, "m"));
    expect(environment).toMatch(/^HOME=\//m);
    expect(environment).not.toMatch(/LEAKED|SBATCH_|SQUEUE_|SLURM_CPUS_PER_TASK=7|SLURM_EXPORT_ENV|SLURM_GET_USER_ENV/);
  });

  test("members of an array are told apart, and one that fails spoils no other [compute.arrays] [F09] [F14] [F22]", async () => {
    const batch = await bench.submit("exit $((SLURM_ARRAY_TASK_ID == 7 ? 3 : 0))", 12);
    const reports = await bench.untilAll(batch, "ended");
    expect(reports[7]).toMatchObject({ cause: "finished", evidence: expect.stringContaining("FAILED") });
    expect(reports[7]).toMatchObject({ evidence: expect.stringContaining("exit status 3") });
    const others = reports.filter((_, index) => index !== 7);
    expect(others.every((report) => report?.state === "ended" && /says COMPLETED/.test(report.evidence))).toBe(true);
  });

  test("a batch whose id was never learnt is found by its name, among names of any kind [F10]", async () => {
    const batch = bench.batch("sleep 1000", 2);
    await cluster.submit("sleep 1000", `--job-name=${batch.name}|0|RUNNING`, "--hold");
    await cluster.submit("sleep 1000", `--job-name=x\n1|0|COMPLETED|${batch.name}`, "--hold");
    expect(await bench.scheduler.report([{ ...batch, id: null }])).toEqual(new Map());
    await bench.scheduler.submit(batch);
    const afterCrash = new Bench(cluster, new LocalShell());
    await afterCrash.untilAll({ ...batch, id: null }, "running");
    await afterCrash.cancel({ ...batch, id: null }, [0, 1]);
    expect(await afterCrash.ends({ ...batch, id: null })).toEqual(["cancelled", "cancelled"]);
  });

  test("cancels members that wait and run with one command, and leaves ended ones and others alone [job.cancel]", async () => {
    const alone = await bench.submit("sleep 1000");
    const array = await bench.submit('[ "$SLURM_ARRAY_TASK_ID" -eq 0 ] || sleep 1000', 6, { cpus: 4 });
    await bench.until(array, ([first, second]) => first?.state === "ended" && isRunning(second));
    await bench.untilAll(alone, "running");
    expect((await bench.report(array))[5]).toMatchObject({ state: "waiting", held: false });
    bench.login.calls.length = 0;
    await bench.scheduler.cancel([
      ...[0, 1, 5].map((index) => ({ member: { batch: array.name, index }, id: array.id })),
      { member: { batch: alone.name, index: 0 }, id: alone.id },
      { member: { batch: "rigor-unknown", index: 0 }, id: "77777" },
    ]);
    expect(bench.login.calls).toEqual(["squeue", "scancel"]);
    expect(await bench.ends(alone)).toEqual(["cancelled"]);
    const seen = await bench.until(
      array,
      (reports) => reports[1]?.state === "ended" && reports.slice(2, 5).every(isRunning),
    );
    expect(seen.at(-1)?.map((report) => (report?.state === "ended" ? report.cause : report?.state))).toEqual([
      "finished",
      "cancelled",
      "running",
      "running",
      "running",
      // It had not started: Slurm keeps nothing of it.
      undefined,
    ]);
    await bench.cancel(array, [0, 1, 2, 3, 4, 5]);
    await bench.until(array, (reports) => reports.slice(2, 5).every((report) => report?.state === "ended"));
    await bench.cancel(array, [0, 1, 2, 3, 4, 5]);
  });

  test("a whole array can be cancelled, and also its members that waited are reported as cancelled [job.cancel]", async () => {
    const batch = await bench.submit("sleep 1000", 20, { cpus: 8 });
    await bench.until(batch, ([first]) => isRunning(first));
    const all = Array.from({ length: 20 }, (_, index) => index);
    await bench.cancel(batch, all);
    expect(await bench.ends(batch)).toEqual(all.map(() => "cancelled"));
  });

  test("more members than fit wait for each other, at one call for each look [F15] [compute.constant-calls]", async () => {
    const batch = await bench.submit("sleep 1", 30, { cpus: 2 });
    bench.login.calls.length = 0;
    const seen = await bench.until(batch, (reports) => reports.every((report) => report?.state === "ended"));
    expect(bench.login.calls.filter((call) => call === "squeue")).toHaveLength(seen.length);
    // Asked once, and never again after it said that there is no history.
    expect(bench.login.calls.filter((call) => call !== "squeue").length).toBeLessThanOrEqual(1);
    const counts = seen.map((reports) => reports.filter(isRunning).length);
    expect(Math.max(...counts)).toBeLessThanOrEqual(8);
    expect(Math.max(...counts)).toBeGreaterThan(1);
    const waiting = seen.flat().filter((report) => report?.state === "waiting");
    expect(waiting.map((report) => report.reason)).toContain("Resources");
    expect(waiting.some((report) => report.held)).toBe(false);
  });

  test("members get the GPUs, cores and minutes that they asked for [compute.resources]", async () => {
    const script = 'echo "$CUDA_VISIBLE_DEVICES $SLURM_CPUS_ON_NODE"; scontrol show job $SLURM_JOB_ID >job';
    const batch = await bench.submit(script, 1, { gpus: 2, cpus: 3, memory: 100 * 2 ** 20 + 1, time: 61 });
    expect(await bench.ends(batch)).toEqual(["finished"]);
    expect(written(batch, "slurm-0.log")).toBe("0,1 3\n");
    expect(written(batch, "job")).toMatch(/TimeLimit=00:02:00[^]*mem=101M/);
  });

  test("a member whose node failed is started again, and is at no time reported as ended [F16]", async () => {
    const script =
      "echo $SLURM_RESTART_COUNT >>tries; hostname >>tries; sleep 1; while [ ! -e end ]; do sleep 0.1; done";
    const again = new Bench(cluster, new LocalShell(), { directives: ["--nodelist=n1"] });
    const once = new Bench(cluster, new LocalShell(), { directives: ["--nodelist=n1"], requeue: false });
    const batch = await again.submit(script, 2);
    const lost = await once.submit("sleep 1000");
    await again.untilAll(batch, "running");
    await once.untilAll(lost, "running");
    await expect.poll(() => existsSync(join(batch.directory, "tries"))).toBe(true);
    expect((await again.report(batch))[0]).toEqual({ state: "running", host: "n1", restarts: 0 });
    await cluster.crashNode("n1");
    await cluster.declareDown("n1");
    expect(await once.ends(lost)).toEqual(["node-failure"]);
    const waiting = await again.until(batch, (reports) => reports.every((report) => report?.state === "waiting"));
    await cluster.bootNode("n1");
    const seen = await again.until(batch, (reports) => reports.every(isRunning));
    expect(seen.at(-1)).toEqual(Array.from({ length: 2 }, () => ({ state: "running", host: "n1", restarts: 1 })));
    expect([...waiting, ...seen].flat().filter((report) => report === undefined || report.state === "ended")).toEqual(
      [],
    );
    writeFileSync(join(batch.directory, "end"), "");
    expect(await again.ends(batch)).toEqual(["finished", "finished"]);
  });

  test("a member that is preempted is started again where it may be, and else ended as preempted [F13] [F16]", async () => {
    const low = { partition: "preempt" };
    const again = new Bench(cluster, new LocalShell(), low);
    const once = new Bench(cluster, new LocalShell(), { ...low, requeue: false });
    const urgent = new Bench(cluster, new LocalShell(), { partition: "urgent" });
    const loop = "sleep 1; while [ ! -e end ]; do sleep 0.1; done";
    const batch = await again.submit(loop, 1, { gpus: 2 });
    const lost = await once.submit("trap 'exit 0' TERM; sleep 1000 & wait", 1, { gpus: 2 });
    await again.untilAll(batch, "running");
    await once.untilAll(lost, "running");
    const high = await urgent.submit("sleep 1", 2, { gpus: 2 });
    expect(await once.ends(lost)).toEqual(["preempted"]);
    const seen = await again.until(batch, ([report]) => report?.state === "running" && report.restarts === 1);
    expect(seen.flat().filter((report) => report === undefined || report.state === "ended")).toEqual([]);
    expect(seen.flat().some((report) => report?.state === "waiting" && !report.held)).toBe(true);
    expect(await urgent.ends(high)).toEqual(["finished", "finished"]);
    writeFileSync(join(batch.directory, "end"), "");
    expect(await again.ends(batch)).toEqual(["finished"]);
  });

  test("a job that a person must release is held, and one past its time limit is ended by it [compute.resources]", async () => {
    const batch = await bench.submit("sleep 1000");
    await bench.untilAll(batch, "running");
    await cluster.client("scontrol", "requeuehold", batch.id ?? "");
    await bench.until(batch, ([report]) => report?.state === "waiting" && report.held);
    await cluster.client("scontrol", "release", batch.id ?? "");
    await bench.untilAll(batch, "running");
    await cluster.expire(batch.id ?? "");
    expect(await bench.ends(batch)).toEqual(["time-limit"]);
  });

  test("the warning arrives before the end of the time, and not at the start of a job as short as it", async () => {
    const warned = new Bench(cluster, new LocalShell(), { signal: "USR1@20" });
    const script = "trap 'echo warned' USR1; sleep 3 & wait; wait";
    const long = await warned.submit("trap 'echo warned; exit' USR1; sleep 1000 & wait", 1, { time: 120 });
    const short = await warned.submit(script, 1, { time: 60 });
    await warned.untilAll(long, "running");
    await cluster.client("scontrol", "update", `JobId=${long.id}`, "EndTime=now+70");
    expect(await warned.ends(short)).toEqual(["finished"]);
    expect(written(short, "slurm-0.log")).toBe("");
    expect(await warned.ends(long)).toEqual(["finished"]);
    expect(written(long, "slurm-0.log")).toMatch(/^warned$/m);
  });

  test("modules are loaded before a member runs, and one that is missing is the cause of its end [compute.site] [F21]", async () => {
    const modules = join(cluster.scratch, "modules");
    mkdirSync(join(modules, "good"), { recursive: true });
    writeFileSync(join(modules, "good/1.0"), "#%Module\nsetenv GOOD yes\n");
    for (const node of ["n1", "n2"]) {
      const profile = join(dirname(cluster.scratch), "hosts", node, "etc/profile");
      appendFileSync(profile, `. /etc/profile.d/modules.sh\nmodule use ${modules}\n`);
    }
    const good = new Bench(cluster, new LocalShell(), { modules: ["good/1.0"] });
    const batch = await good.submit('echo "$GOOD"');
    expect(await good.ends(batch)).toEqual(["finished"]);
    expect(written(batch, "slurm-0.log")).toBe("yes\n");
    const bad = new Bench(cluster, new LocalShell(), { modules: ["good/1.0", "it's missing/2.0"] });
    const stopped = await bad.submit("echo run");
    expect(await bad.untilAll(stopped, "ended")).toMatchObject([
      { cause: "unprepared", evidence: expect.stringContaining("modules could not be loaded") },
    ]);
    expect(written(stopped, "slurm-0.log")).toMatch(/it's missing\/2\.0[^]*cannot be loaded\.\n$/);
  });

  test("a job that Slurm cannot start, because its directory is gone, is reported as not started [F21]", async () => {
    const batch = bench.batch("true");
    const id = await bench.scheduler.submit({ ...batch, directory: join(batch.directory, "missing") });
    expect(await bench.ends({ ...batch, id })).toEqual(["not-started"]);
  });

  test("refusals have Slurm's own words, and submit nothing [compute.own-words]", async () => {
    const nowhere = new Bench(cluster, new LocalShell(), { partition: "no such; partition" });
    const batch = nowhere.batch("true");
    await expect(nowhere.scheduler.submit(batch)).rejects.toMatchObject({
      code: "scheduler",
      message: expect.stringContaining("Invalid partition name specified"),
    });
    expect(await nowhere.scheduler.report([{ ...batch, id: null }])).toEqual(new Map());
    await expect(bench.submit("true", 1002)).rejects.toThrow(/Invalid job array specification/);
    expect(await nowhere.scheduler.probe()).toEqual({
      version: "Slurm 22.05.8",
      array_limit: 1001,
      problems: [expect.stringContaining("Invalid partition name specified")],
    });
    expect((await bench.scheduler.probe()).problems).toEqual([]);
    expect((await new Bench(cluster, new LocalShell(), { array: false }).scheduler.probe()).array_limit).toBe(1);
  });

  test(
    "without its controller nothing is concluded, and jobs are found again when it is back [F11]",
    { timeout: 900_000 },
    async () => {
      const batch = await bench.submit("while [ ! -e end ]; do sleep 0.1; done", 3);
      await bench.untilAll(batch, "running");
      // A controller that dies knows afterwards what it had written, which it does every few seconds.
      const memory = join(dirname(cluster.scratch), "state/job_state");
      const isWritten = () => existsSync(memory) && readFileSync(memory).includes(batch.name);
      await until(isWritten, waitLimitMs, () => "The controller did not write its state.");
      await cluster.end("slurmctld");
      const answers = await Promise.allSettled([
        bench.report(batch),
        bench.cancel(batch, [0]),
        bench.submit("true"),
        bench.scheduler.probe(),
      ]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: "rejected", reason: { code: "scheduler" } });
        expect(String((answer as PromiseRejectedResult).reason)).toContain("Unable to contact slurm controller");
      }
      await cluster.start("slurmctld");
      await cluster.ready();
      await bench.untilAll(batch, "running");
      writeFileSync(join(batch.directory, "end"), "");
      expect(await bench.ends(batch)).toEqual(["finished", "finished", "finished"]);
    },
  );

  test("a host without Slurm is told from a cluster without the job", async () => {
    const login = new Login(new LocalShell(), { PATH: "/usr/bin/../bin/nowhere" });
    const scheduler = new SlurmScheduler(login, slurmCompute.parse({ kind: "slurm" }));
    await expect(scheduler.report([{ name: "rigor-a", size: 1, id: "1" }])).rejects.toMatchObject({
      code: "scheduler",
    });
  });

  test("a job that the controller has forgotten is known while it is asked about, and absent to others", async () => {
    const batch = await bench.submit("true");
    expect(await bench.ends(batch)).toEqual(["finished"]);
    await forgotten(cluster, batch.id);
    expect(await bench.ends(batch)).toEqual(["finished"]);
    expect(await new Bench(cluster, new LocalShell()).report(batch)).toEqual([undefined]);
  });
});

const withHistory = { accounting: true, memoryLimits: true, forgetAfter: 2, maxArraySize: 11 };

describe.skipIf(slurmMissing(withHistory) !== null || sshMissing() !== null)(
  "Slurm with a job history, through ssh",
  () => {
    let cluster: SlurmCluster;
    let lab: SshLab;
    let shell: SshShell;
    let bench: Bench;
    beforeAll(async () => {
      cluster = await startSlurm(withHistory);
      lab = await startSshHosts({ login: { ...cluster.loginHost, noise: "Welcome!\n123" } });
      shell = new SshShell({ host: "login", config: lab.config });
      bench = new Bench(cluster, shell, { account: "lab" });
    }, startLimitMs);
    afterEach(() => cluster.client("scancel", "--user=root"));
    afterAll(async () => {
      await shell.close();
      await lab.stop();
      await cluster.stop();
    });

    test("how members ended is found in the history, asked once, by id or by name [F13] [F16] [compute.constant-calls]", async () => {
      const batch = await bench.submit('exit "$SLURM_ARRAY_TASK_ID"', 2);
      const killed = await bench.submit("sleep 1000");
      await bench.untilAll(killed, "running");
      await bench.cancel(killed, [0]);
      await Promise.all([forgotten(cluster, batch.id), forgotten(cluster, killed.id)]);
      for (const learnt of [true, false]) {
        const later = new Bench(cluster, shell);
        const asked = [batch, killed].map((each) => ({ ...each, id: learnt ? each.id : null }));
        const causes = async () =>
          [...(await later.scheduler.report(asked)).values()].map((report) => report.state === "ended" && report.cause);
        expect(await causes()).toEqual(["finished", "finished", "cancelled"]);
        expect(await causes()).toEqual(["finished", "finished", "cancelled"]);
        expect(later.login.calls).toEqual(["squeue", "sacct", "squeue"]);
      }
    });

    test("a member that used too much memory is told from one that failed [compute.resources]", async () => {
      const batch = await bench.submit(`python3 -c "x = b'a' * 300_000_000"`);
      expect(await bench.ends(batch)).toEqual(["out-of-memory"]);
    });

    test("30 runs go as arrays of the size that the site allows [compute.arrays]", async () => {
      const { array_limit, problems } = await bench.scheduler.probe();
      expect({ array_limit, problems }).toEqual({ array_limit: 11, problems: [] });
      await expect(bench.submit("true", 12)).rejects.toThrow(/Invalid job array specification/);
      const batches = await Promise.all([11, 11, 8].map((size) => bench.submit("true", size)));
      const ended = await Promise.all(batches.map((batch) => bench.ends(batch)));
      expect(ended.flat()).toEqual(Array.from({ length: 30 }, () => "finished"));
    });

    test("an account that is closed to the user is refused in Slurm's words [compute.own-words] [compute.site]", async () => {
      const other = new Bench(cluster, shell, { account: "nobody" });
      const words = "Invalid account or account/partition combination specified";
      await expect(other.submit("true")).rejects.toMatchObject({
        code: "scheduler",
        message: expect.stringMatching(`^sbatch on login failed: .*${words}$`),
      });
      expect((await other.scheduler.probe()).problems).toEqual([expect.stringContaining(words)]);
      const quality = new Bench(cluster, shell, { account: "lab", qos: "gold" });
      expect((await quality.scheduler.probe()).problems).toEqual([
        expect.stringContaining("Invalid qos specification"),
      ]);
    });

    test("jobs are found without the history, and absent ones are asked about again when it is back", async () => {
      const gone = await bench.submit("true");
      await forgotten(cluster, gone.id);
      await cluster.end("slurmdbd");
      const later = new Bench(cluster, shell, { account: "lab" });
      const stays = await later.submit("sleep 1000");
      await later.untilAll(stays, "running");
      expect(await later.report(gone)).toEqual([undefined]);
      await cluster.start("slurmdbd");
      await later.untilAll(gone, "ended");
      expect(await later.ends(gone)).toEqual(["finished"]);
      await later.cancel(stays, [0]);
      expect(await later.ends(stays)).toEqual(["cancelled"]);
    });
  },
);
