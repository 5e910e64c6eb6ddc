import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PbsScheduler } from "../../packages/rigor/src/compute/schedulers/pbs.ts";
import { pbsCompute } from "../../packages/rigor/src/domain/files/compute-schema.ts";
import { LocalShell } from "../../packages/rigor/src/hosts/local-shell.ts";
import { type PbsCluster, startPbs } from "../clusters/pbs.ts";
import { job, submit, until } from "../clusters/pbs.testing.ts";
import { PbsBench, PbsLogin } from "./pbs.testing.ts";
import { isRunning, type Reports, writeAttempt, written } from "./scheduler.testing.ts";

const nodes = [
  { name: "n1", ncpus: 4, ngpus: 2, mem: "8gb" },
  { name: "n2", ncpus: 2, ngpus: 0, mem: "8gb" },
];

const causesOf = (reports: Reports): (string | undefined)[] =>
  reports.map((report) => (report?.state === "ended" ? report.cause : report?.state));

/** Ends all jobs of a cluster. */
async function clear(cluster: PbsCluster): Promise<void> {
  const left = (await cluster.run("qselect")).stdout.split("\n").filter((line) => line !== "");
  if (left.length > 0) await cluster.run("qdel", ["-W", "force", ...left]);
  await until(async () => (await cluster.run("qselect")).stdout === "", "no job is left");
}

describe("PBS", () => {
  let cluster: PbsCluster;
  let bench: PbsBench;
  beforeAll(async () => {
    cluster = await startPbs({ nodes, kill_delay: 3, node_fail_requeue: 0.5 });
    bench = new PbsBench(cluster, new LocalShell());
  });
  afterEach(() => clear(cluster));
  afterAll(() => cluster.stop());

  test("a batch of one runs where it was told to, with nothing of the login's environment [compute.clean-login]", async () => {
    const batch = await bench.submit('pwd; env >environment; echo "${PBS_ARRAY_INDEX-none}"');
    expect(batch.id).toMatch(/^\d+\.pbs1$/);
    expect(await bench.ends(batch)).toEqual(["finished"]);
    expect(written(batch, "pbs-0.log")).toBe(`${batch.directory}\nnone\n`);
    const environment = written(batch, "environment");
    expect(environment).toMatch(new RegExp(`^PBS_JOBID=${batch.id}$`, "m"));
    expect(environment).not.toMatch(/LEAKED|PBS_DPREFIX|PBS_O_WORKDIR=\/nowhere|PBS_O_QUEUE=other/);
  });

  test("members of an array are told apart, and one that fails spoils no other [F09] [F14] [F22]", async () => {
    const batch = await bench.submit("exit $((PBS_ARRAY_INDEX == 7 ? 3 : 0))", 12);
    expect(batch.id).toMatch(/^\d+\[\]\.pbs1$/);
    const reports = await bench.untilAll(batch, "ended");
    expect(reports[7]).toMatchObject({ cause: "finished", evidence: expect.stringContaining("exit status 3") });
    const others = reports.filter((_, index) => index !== 7);
    expect(others.every((report) => report?.state === "ended" && /exit status 0/.test(report.evidence))).toBe(true);
  });

  test("a batch whose id was never learnt is found by its name, searched for once [F10]", async () => {
    const batch = bench.batch("sleep 1000", 2);
    await submit(cluster, "sleep 1000", "-h", "-N", `${batch.name}-0`);
    expect(await bench.scheduler.report([{ ...batch, id: null }])).toEqual(new Map());
    await bench.scheduler.submit(batch);
    const afterCrash = new PbsBench(cluster, new LocalShell());
    await afterCrash.untilAll({ ...batch, id: null }, "running");
    expect(afterCrash.login.calls.filter((call) => call === "qselect")).toHaveLength(1);
    await afterCrash.cancel({ ...batch, id: null }, [0, 1]);
    expect(await afterCrash.ends({ ...batch, id: null })).toEqual(["cancelled", "cancelled"]);
  });

  test("an id that was given to another job since says nothing of the batch [F22]", async () => {
    const other = await submit(cluster, "sleep 1000");
    const batch = { ...bench.batch("true"), id: other };
    expect(await bench.report(batch)).toEqual([undefined]);
    await bench.cancel(batch, [0]);
    expect(await job(cluster, other)).toMatchObject({ job_state: "R" });
  });

  test("cancels members that wait and run with one command, and leaves ended ones and others alone [job.cancel]", async () => {
    const array = await bench.submit('[ "$PBS_ARRAY_INDEX" -eq 0 ] || sleep 1000', 6, { cpus: 2 });
    const [, second] =
      (await bench.until(array, ([first, next]) => first?.state === "ended" && isRunning(next))).at(-1) ?? [];
    expect(second).toMatchObject({ host: expect.stringMatching(/^n[12]$/) });
    expect((await bench.report(array))[5]).toMatchObject({ state: "waiting", held: false });
    const alone = await bench.submit("sleep 1000");
    const members = [array, alone].flatMap(({ name, size, id }) =>
      [0, 1, 5].filter((index) => index < size).map((index) => ({ member: { batch: name, index }, id })),
    );
    bench.login.calls.length = 0;
    await bench.scheduler.cancel([...members, { member: { batch: "rigor-unknown", index: 0 }, id: "77777.pbs1" }]);
    expect(bench.login.calls).toEqual(["qstat", "qdel"]);
    expect(await bench.ends(alone)).toEqual(["cancelled"]);
    const seen = await bench.until(array, (reports) => reports[1]?.state === "ended" && isRunning(reports[2]));
    expect(causesOf(seen.at(-1) ?? [])).toEqual([
      "finished",
      "cancelled",
      "running",
      expect.stringMatching(/running|waiting/),
      expect.stringMatching(/running|waiting/),
      // It had not started: PBS keeps nothing of it.
      "unknown",
    ]);
    await bench.cancel(array, [0, 1, 2, 3, 4, 5]);
    await bench.untilAll(array, "ended");
    bench.login.calls.length = 0;
    await bench.cancel(array, [0, 1, 2, 3, 4, 5]);
    expect(bench.login.calls).toEqual(["qstat"]);
  });

  test("an array that is cancelled before it began is reported as cancelled [job.cancel]", async () => {
    await cluster.setScheduling(false);
    const batch = await bench.submit("true", 20);
    await bench.cancel(batch, [...Array(20).keys()]);
    await cluster.setScheduling(true);
    expect(await bench.ends(batch)).toEqual(Array.from({ length: 20 }, () => "cancelled"));
  });

  test("more members than fit wait for each other, at one call for each look [F15] [compute.constant-calls]", async () => {
    const batch = await bench.submit("sleep 0.5", 20, { cpus: 1 });
    const single = await bench.submit("sleep 0.5");
    bench.login.calls.length = 0;
    const seen: Reports[] = [];
    await until(async () => {
      const reports = await bench.scheduler.report([batch, single]);
      seen.push([...reports.values()]);
      return reports.size === 21 && [...reports.values()].every((report) => report.state === "ended");
    }, "all have ended");
    expect(bench.login.calls).toEqual(seen.map(() => "qstat"));
    const counts = seen.map((reports) => reports.filter(isRunning).length);
    expect(Math.max(...counts)).toBeLessThanOrEqual(6);
    expect(Math.max(...counts)).toBeGreaterThan(1);
    // What has ended for good is not asked about.
    await bench.scheduler.report([batch, single]);
    expect(bench.login.calls).toHaveLength(seen.length);
  });

  test("members get the GPUs, cores, memory and time that they asked for [compute.resources]", async () => {
    const batch = await bench.submit('echo "$CUDA_VISIBLE_DEVICES $NCPUS"', 1, {
      gpus: 2,
      cpus: 3,
      memory: 100 * 2 ** 20 + 1,
      time: 3661,
    });
    expect(await bench.ends(batch)).toEqual(["finished"]);
    expect(written(batch, "pbs-0.log")).toBe("0,1 3\n");
    expect(await job(cluster, batch.id ?? "")).toMatchObject({
      Resource_List: { select: "1:ncpus=3:mem=101mb:ngpus=2", walltime: "01:01:01" },
      Mail_Points: "n",
    });
  });

  test("project, queue, storage and directives reach PBS, and a site that wants no select gets none [compute.site]", async () => {
    const options = { project: "li96", queue: "workq", storage: "scratch/li96", directives: ["-l jobfs=1gb", "-p 5"] };
    const whole = new PbsBench(cluster, new LocalShell(), { ...options, select: false });
    const batch = await whole.submit("true", 1, { gpus: 1 });
    const attributes = await job(cluster, batch.id ?? "");
    expect(attributes).toMatchObject({
      project: "li96",
      queue: "workq",
      Priority: 5,
      Resource_List: { storage: "scratch/li96", jobfs: "1gb", ncpus: 1, ngpus: 1 },
      Submit_arguments: expect.not.stringContaining("select="),
    });
    const own = new PbsBench(cluster, new LocalShell(), { directives: ["-l select=1:ncpus=2:mem=1gb"] });
    const other = await own.submit("true");
    expect(await job(cluster, other.id ?? "")).toMatchObject({ Resource_List: { select: "1:ncpus=2:mem=1gb" } });
  });

  test("a member whose node failed is started again, and is at no time reported as ended [F16]", async () => {
    const loop = "echo start >>tries; while [ ! -e end ]; do sleep 0.1; done";
    const batch = await bench.submit(loop, 2, { cpus: 2, gpus: 1 });
    await bench.untilAll(batch, "running");
    await until(() => existsSync(join(batch.directory, "tries")), "they have started");
    expect((await bench.report(batch))[0]).toEqual({ state: "running", host: "n1", restarts: 0 });
    await cluster.failNode("n1");
    const waiting = await bench.until(batch, (reports) => reports.every((report) => report?.state === "waiting"));
    await cluster.recoverNode("n1");
    const running = await bench.until(batch, (reports) => reports.every(isRunning));
    expect(causesOf([...waiting, ...running].flat()).filter((state) => !/waiting|running/.test(state ?? ""))).toEqual(
      [],
    );
    writeFileSync(join(batch.directory, "end"), "");
    expect(await bench.ends(batch)).toEqual(["finished", "finished"]);
  });

  test("a job that was requeued waits, and counts its restarts [F13] [F16]", async () => {
    const batch = await bench.submit("while [ ! -e end ]; do sleep 0.1; done");
    await bench.untilAll(batch, "running");
    await cluster.setScheduling(false);
    await cluster.requeue(batch.id ?? "");
    expect((await bench.report(batch))[0]).toMatchObject({ state: "waiting", held: false });
    await cluster.setScheduling(true);
    const [report] = await bench.untilAll(batch, "running");
    expect(report).toMatchObject({ restarts: 1 });
    writeFileSync(join(batch.directory, "end"), "");
    expect(await bench.ends(batch)).toEqual(["finished"]);
  });

  test("what waits says why, and what a person must change is held", async () => {
    const held = await bench.submit("true");
    const never = await bench.submit("true", 1, { gpus: 3 });
    await cluster.setScheduling(false);
    const other = await bench.submit("true");
    await cluster.run("qhold", [other.id ?? ""]);
    await cluster.setScheduling(true);
    expect(await bench.ends(held)).toEqual(["finished"]);
    expect((await bench.report(other))[0]).toMatchObject({ state: "waiting", held: true });
    expect((await bench.report(never))[0]).toMatchObject({
      state: "waiting",
      held: true,
      reason: expect.stringContaining("Insufficient amount of resource: ngpus"),
    });
  });

  test("a job past its time limit is ended by it, and one that was deleted is no success [F13]", async () => {
    const long = await bench.submit("sleep 1000", 1, { time: 1 });
    const deleted = await bench.submit("sleep 1000");
    await bench.untilAll(deleted, "running");
    await cluster.run("qdel", [deleted.id ?? ""]);
    const [report] = await bench.untilAll(deleted, "ended");
    expect(report).toMatchObject({ cause: "cancelled", evidence: expect.stringContaining("deleted by ") });
    expect(await job(cluster, deleted.id ?? "")).toMatchObject({ Exit_status: 0, substate: 91 });
    expect(await bench.ends(long)).toEqual(["time-limit"]);
  });

  test.each(["bash", "sh"])("a job that is deleted has time to end what it runs, where there is %s", async (shell) => {
    // A login that finds only these programs, so that the member is supervised by them.
    const folder = join(cluster.home, `programs-${shell}`);
    mkdirSync(folder);
    const programs = ["cat", "mv", "rm", "setsid", "sleep", "date", ...(shell === "bash" ? ["bash"] : [])];
    for (const program of programs) symlinkSync(join("/usr/bin", program), join(folder, program));
    const profile = join(cluster.home, ".bash_profile");
    writeFileSync(profile, `export PATH=${folder}\n`);
    try {
      const mark = `${process.pid}.${shell === "bash" ? 1 : 2}5`;
      const batch = bench.batch("exec /bin/sh attempt/job.sh");
      const command = `trap 'echo saved >"$RIGOR_OUTPUT/saved"; exit 0' TERM; sleep 9${mark} & wait`;
      const attempt = writeAttempt(batch, command);
      const submitted = { ...batch, id: await bench.scheduler.submit(batch) };
      const record = () => readFileSync(join(attempt, "process"), "utf8");
      await until(() => existsSync(join(attempt, "heartbeat")), "it runs");
      const { pid } = JSON.parse(record()) as { pid: number };
      const session = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ")[3];
      const { session_id } = await job(cluster, submitted.id);
      expect(Number(session)).toBe(session_id);
      // As whoever cancels an attempt does.
      writeFileSync(join(attempt, "cancel"), "");
      await bench.cancel(submitted, [0]);
      expect(await bench.ends(submitted)).toEqual(["cancelled"]);
      await until(() => existsSync(join(attempt, "exit.json")), "it recorded its end");
      expect(readFileSync(join(attempt, "output/saved"), "utf8")).toBe("saved\n");
      await until(() => !existsSync(`/proc/${pid}`), "nothing of it is left");
    } finally {
      rmSync(profile);
    }
  });

  test("modules are loaded before a member runs, and one that is missing is the cause of its end [F21]", async () => {
    const modules = join(cluster.home, "modules");
    mkdirSync(join(modules, "good"), { recursive: true });
    writeFileSync(join(modules, "good/1.0"), "#%Module\nsetenv GOOD yes\n");
    const profile = join(cluster.home, ".bash_profile");
    writeFileSync(profile, `. /etc/profile.d/modules.sh\nmodule use ${modules}\n`);
    const good = new PbsBench(cluster, new LocalShell(), { modules: ["good/1.0"] });
    const batch = await good.submit('echo "$GOOD"');
    expect(await good.ends(batch)).toEqual(["finished"]);
    expect(written(batch, "pbs-0.log")).toBe("yes\n");
    const bad = new PbsBench(cluster, new LocalShell(), { modules: ["good/1.0", "it's missing/2.0"] });
    const stopped = await bad.submit("echo run");
    expect(await bad.ends(stopped)).toEqual(["unprepared"]);
    expect(written(stopped, "pbs-0.log")).toMatch(/it's missing\/2\.0[^]*cannot be loaded\.\n$/);
    rmSync(profile);
  });

  test("a job whose directory is gone is reported as that [F21]", async () => {
    const batch = bench.batch("true");
    const id = await bench.scheduler.submit({ ...batch, directory: join(batch.directory, "missing") });
    expect(await bench.ends({ ...batch, id })).toEqual(["unprepared"]);
  });

  test("without its server nothing is concluded, and jobs are found again when it is back [F11]", async () => {
    const batch = await bench.submit("while [ ! -e end ]; do sleep 0.1; done", 3);
    await bench.untilAll(batch, "running");
    await cluster.killServer();
    const answers = await Promise.allSettled([
      bench.report(batch),
      bench.report({ ...batch, id: null }),
      bench.cancel(batch, [0]),
      bench.submit("true"),
      bench.scheduler.probe(),
    ]);
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: "rejected", reason: { code: "scheduler" } });
      expect(String((answer as PromiseRejectedResult).reason)).toContain("cannot connect to server pbs1");
    }
    await cluster.restartServer();
    await bench.untilAll(batch, "running");
    writeFileSync(join(batch.directory, "end"), "");
    expect(await bench.ends(batch)).toEqual(["finished", "finished", "finished"]);
  });

  test("a host without PBS is told from a cluster without the job", async () => {
    const login = new PbsLogin(new LocalShell(), { PATH: "/usr/bin/../bin/nowhere" });
    const scheduler = new PbsScheduler(login, pbsCompute.parse({ kind: "pbs" }));
    await expect(scheduler.report([{ name: "rigor-a", size: 1, id: "1.pbs1" }])).rejects.toMatchObject({
      code: "scheduler",
    });
  });

  test("a job that the server has forgotten is known while it is asked about, and absent to others", async () => {
    const batch = await bench.submit("true", 2);
    expect(await bench.ends(batch)).toEqual(["finished", "finished"]);
    await cluster.dropHistory();
    expect(await bench.ends(batch)).toEqual(["finished", "finished"]);
    expect(await new PbsBench(cluster, new LocalShell()).report(batch)).toEqual([undefined, undefined]);
    expect(await new PbsBench(cluster, new LocalShell()).report({ ...batch, id: null })).toEqual([
      undefined,
      undefined,
    ]);
  });

  test("one id that is unknown hides no other [F22]", async () => {
    const batch = await bench.submit("sleep 1000");
    await bench.untilAll(batch, "running");
    const reports = await bench.scheduler.report([{ name: "rigor-gone", size: 2, id: "99999[].pbs1" }, batch]);
    expect([...reports].map(([key, { state }]) => [key, state])).toEqual([[`${batch.name}/0`, "running"]]);
  });
});
