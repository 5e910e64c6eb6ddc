import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { pbsOutcome, readPbsStatus } from "../../packages/rigor/src/compute/schedulers/pbs-answers.ts";
import type { PbsOutcome } from "../../packages/rigor/src/compute/schedulers/pbs-answers.ts";
import { startPbs } from "./pbs.ts";
import type { PbsCluster, PbsSettings } from "./pbs.ts";
import { job, jobs, submit, until, untilRunning, untilState } from "./pbs.testing.ts";

const nodes = [
  { name: "n1", ncpus: 4, ngpus: 2, mem: "8gb" },
  { name: "n2", ncpus: 2, ngpus: 0, mem: "8gb" },
];

/** What our own reading makes of the answer about these jobs. */
async function outcomes(cluster: PbsCluster, ...ids: string[]): Promise<(PbsOutcome | undefined)[]> {
  const status = readPbsStatus(await cluster.run("qstat", ["-x", "-f", "-F", "json", "-t", ...ids]));
  if (!status.readable) throw new Error(status.reason);
  return ids.map((id) => status.jobs.get(id)).map((found) => (found === undefined ? undefined : pbsOutcome(found)));
}

const processesWith = (text: string): string[] =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });

describe("jobs of a cluster with two nodes", () => {
  let cluster: PbsCluster;
  beforeAll(async () => {
    cluster = await startPbs({ nodes, kill_delay: 10, node_fail_requeue: 15 });
  });
  afterAll(() => cluster.stop());
  afterEach(async () => {
    for (const name of readdirSync(cluster.home)) rmSync(join(cluster.home, name), { recursive: true });
    const left = (await cluster.run("qselect")).stdout.split("\n").filter((line) => line !== "");
    if (left.length > 0) await cluster.run("qdel", ["-W", "force", ...left]);
    await until(async () => (await cluster.run("qselect")).stdout === "", "no job is left");
  });

  const output = (name: string) => readFileSync(join(cluster.home, name), "utf8");

  test("a job finds its variables, its nodes and its home, and a script of its own language", async () => {
    const script =
      '#!/usr/bin/perl\nprint "$ENV{$_}\\n" for qw(PBS_JOBID PBS_O_WORKDIR A B NCPUS HOME); print `cat $ENV{PBS_NODEFILE}`; exit 5;\n';
    const options = ["-N", "env", "-v", "A=1,B='x, y'", "-l", "select=1:ncpus=2:mpiprocs=2+1:ncpus=2:mem=1gb"];
    const id = (await cluster.run("qsub", options, { input: script })).stdout.trim();
    await untilState(cluster, id, "F");
    expect(output(`env.o${Number.parseInt(id)}`).split("\n")).toEqual([
      id,
      cluster.home,
      "1",
      "x, y",
      "2",
      cluster.home,
      "n1",
      "n1",
      "n1",
      "",
    ]);
    expect(await job(cluster, id)).toMatchObject({
      exec_host: "n1/0*2+n1/1*2",
      exec_vnode: "(n1:ncpus=2)+(n1:ncpus=2:mem=1048576kb)",
      Exit_status: 5,
    });
  });

  test("output goes where it was wanted, and only when the job has ended", async () => {
    mkdirSync(join(cluster.home, "logs"));
    const id = await submit(
      cluster,
      "echo out; echo bad >&2; until [[ -e go ]]; do sleep 0.05; done",
      "-j",
      "oe",
      "-o",
      "logs/",
    );
    await untilRunning(cluster, id);
    expect(readdirSync(join(cluster.home, "logs"))).toEqual([]);
    writeFileSync(join(cluster.home, "go"), "");
    await untilState(cluster, id, "F");
    expect(readdirSync(join(cluster.home, "logs"))).toEqual([`${id}.OU`]);
    expect(output(`logs/${id}.OU`)).toBe("out\nbad\n");
  });

  test("output that cannot be delivered is told, and the job has ended all the same", async () => {
    const id = await submit(cluster, "echo out", "-o", "no/such/directory/out");
    await untilState(cluster, id, "F");
    expect(await job(cluster, id)).toMatchObject({ Stageout_status: 0, Exit_status: 0 });
  });

  test("jobs wait for processors and GPUs, and each gets GPUs of its own", async () => {
    const script = 'echo "$CUDA_VISIBLE_DEVICES"; until [[ -e free ]]; do sleep 0.05; done';
    const ids = [];
    for (let count = 0; count < 3; count++)
      ids.push(await submit(cluster, script, "-N", "gpu", "-l", "select=1:ncpus=1:ngpus=1"));
    const [first = "", second = "", third = ""] = ids;
    await untilRunning(cluster, second);
    expect((await outcomes(cluster, ...ids)).map((found) => found?.kind)).toEqual(["running", "running", "waiting"]);
    await expect
      .poll(() => job(cluster, third))
      .toMatchObject({ comment: "Not Running: Not enough free nodes available" });
    const never = await submit(cluster, script, "-l", "select=1:ngpus=3");
    await expect
      .poll(() => job(cluster, never))
      .toMatchObject({ job_state: "Q", comment: expect.stringMatching(/^Can Never Run: /) });
    writeFileSync(join(cluster.home, "free"), "");
    await untilState(cluster, third, "F");
    expect([first, second].map((id) => output(`gpu.o${Number.parseInt(id)}`))).toEqual(["0\n", "1\n"]);
  });

  test("a deleted job is told to end, then killed; one that ends by a signal says which [F13]", async () => {
    writeFileSync(join(cluster.home, ".bash_profile"), '[[ -z $STUBBORN ]] || trap "" TERM\n');
    const stubborn = await submit(cluster, "sleep 300", "-v", "STUBBORN=yes");
    const signalled = await submit(cluster, "sleep 300");
    await untilRunning(cluster, stubborn);
    await untilRunning(cluster, signalled);
    expect(await cluster.run("qdel", [stubborn])).toEqual({ stdout: "", stderr: "", exit: 0 });
    expect(await job(cluster, stubborn)).toMatchObject({
      job_state: "R",
      comment: expect.stringContaining(" and terminated by "),
    });
    await cluster.run("qsig", ["-s", "KILL", signalled]);
    await untilState(cluster, stubborn, "F");
    await untilState(cluster, signalled, "F");
    expect(await outcomes(cluster, stubborn, signalled)).toEqual([
      { kind: "deleted", ran: true, by: expect.stringContaining("@pbs1") },
      { kind: "ended", exit: null, signal: 9 },
    ]);
  });

  const loop = "touch ready; while :; do sleep 0.05; done";
  const untilReady = () => until(() => existsSync(join(cluster.home, "ready")), "the script is ready");

  test("a deleted job has time to end by itself", async () => {
    const id = await submit(cluster, `trap 'sleep 0.2; touch saved; exit' TERM; ${loop}`);
    await untilReady();
    await cluster.run("qdel", [id]);
    await untilState(cluster, id, "F");
    expect(existsSync(join(cluster.home, "saved"))).toBe(true);
  });

  test("a signal ends a job unless its login shell traps it, whatever the script does", async () => {
    const script = `trap 'echo warned; exit 4' USR1; ${loop}`;
    const first = await submit(cluster, script, "-N", "first");
    await untilReady();
    await cluster.run("qsig", ["-s", "SIGUSR1", first]);
    await untilState(cluster, first, "F");
    expect(await outcomes(cluster, first)).toEqual([{ kind: "ended", exit: null, signal: 10 }]);
    rmSync(join(cluster.home, "ready"));
    writeFileSync(join(cluster.home, ".bash_profile"), "trap : USR1\n");
    const second = await submit(cluster, script, "-N", "second");
    await untilReady();
    await cluster.run("qsig", ["-s", "USR1", second]);
    await untilState(cluster, second, "F");
    expect(await outcomes(cluster, second)).toEqual([{ kind: "ended", exit: 4, signal: null }]);
    expect(output(`second.o${Number.parseInt(second)}`)).toContain("warned");
    expect(await cluster.run("qsig", ["-s", "SIGUSR1", second])).toMatchObject({ exit: 35 });
  });

  test("members of an array are deleted one by one; those that waited have no record of their own [F14]", async () => {
    const script = "sleep 0.2; ((PBS_ARRAY_INDEX % 4)) || sleep 300";
    const array = await submit(cluster, script, "-N", "many", "-J", "0-8:4", "-l", "select=1:ncpus=2");
    const [first, second, third] = [0, 4, 8].map((index) => array.replace("[]", `[${index}]`));
    await untilRunning(cluster, third ?? "");
    await cluster.run("qhold", [await submit(cluster, "true", "-J", "1-2")]);
    const waiting = await submit(cluster, "true", "-J", "1-3", "-N", "wait", "-l", "select=1:ncpus=4");
    await cluster.run("qdel", [second ?? "", waiting.replace("[]", "[2]")]);
    await untilState(cluster, second ?? "", "X");
    expect(await cluster.run("qdel", [second ?? ""])).toEqual({
      stdout: "",
      stderr: `qdel: Request invalid for finished array subjob ${second}\n`,
      exit: 55,
    });
    await cluster.run("qdel", [first ?? "", third ?? ""]);
    await untilState(cluster, array, "F");
    await untilState(cluster, waiting, "F");
    expect((await outcomes(cluster, first ?? "", second ?? "", third ?? "")).map((found) => found?.kind)).toEqual([
      "deleted",
      "deleted",
      "deleted",
    ]);
    const unrecorded = waiting.replace("[]", "[2]");
    expect(await job(cluster, unrecorded)).toMatchObject({
      job_state: "F",
      Exit_status: 0,
      comment: "Subjob finished",
    });
    expect(await outcomes(cluster, unrecorded)).toMatchObject([{ kind: "unknown", gone: true }]);
  });

  test("a requeued job waits, shows an exit status, and runs again", async () => {
    const id = await submit(
      cluster,
      "echo once; touch said; until [[ -e again ]]; do sleep 0.05; done",
      "-N",
      "twice",
      "-l",
      "select=1:ncpus=4",
    );
    await until(() => existsSync(join(cluster.home, "said")), "it has run");
    await untilRunning(cluster, id);
    await cluster.setScheduling(false);
    await cluster.requeue(id);
    expect(await job(cluster, id)).toMatchObject({ job_state: "Q", Exit_status: -11, run_count: 1 });
    expect(await outcomes(cluster, id)).toEqual([{ kind: "requeued", runs: 1 }]);
    writeFileSync(join(cluster.home, "again"), "");
    await cluster.setScheduling(true);
    await untilState(cluster, id, "F");
    expect(await job(cluster, id)).toMatchObject({ run_count: 2, Exit_status: 0 });
    expect(output(`twice.o${Number.parseInt(id)}`)).toBe("once\nonce\n");
  });

  test("a failed node takes its jobs along: they are said to run, then requeued or given up", async () => {
    const wanted = ["-l", "select=1:ncpus=4"];
    const lost = await submit(cluster, "sleep 300", ...wanted, "-r", "n");
    await untilRunning(cluster, lost);
    const small = await submit(cluster, "sleep 300", "-l", "select=1:ncpus=2");
    await untilRunning(cluster, small);
    await cluster.failNode("n1");
    await cluster.failNode("n2");
    expect(await outcomes(cluster, lost)).toEqual([{ kind: "running", suspended: false }]);
    expect((await cluster.run("pbsnodes", ["-l"])).stdout).toMatch(/^n1\s+down\nn2\s+down\n$/);
    await untilState(cluster, lost, "F");
    await untilState(cluster, small, "Q");
    expect(await outcomes(cluster, lost, small)).toEqual([
      { kind: "ended-by-pbs", code: -20, name: "JOB_EXEC_RERUN_MS_FAIL", cause: "node-failure" },
      { kind: "requeued", runs: 1 },
    ]);
    await cluster.recoverNode("n1");
    await cluster.recoverNode("n2");
    await untilRunning(cluster, small);
  });

  test("jobs outlive a crash of the server, which learns of their end when it comes back [F11]", async () => {
    const long = await submit(cluster, "until [[ -e end ]]; do sleep 0.05; done; exit 6");
    const short = await submit(cluster, "until [[ -e end ]]; do sleep 0.05; done", "-N", "short");
    await untilRunning(cluster, long);
    await untilRunning(cluster, short);
    await cluster.killServer();
    const answer = await cluster.run("qstat", ["-x", "-f", "-F", "json", long]);
    expect(answer).toMatchObject({ stdout: "", exit: 255 });
    expect(readPbsStatus(answer)).toMatchObject({ readable: false });
    expect(await cluster.run("qsub", [], { input: "true" })).toMatchObject({ stdout: "", exit: 111 });
    writeFileSync(join(cluster.home, "end"), "");
    await cluster.restartServer();
    await untilState(cluster, long, "F");
    await untilState(cluster, short, "F");
    expect(await outcomes(cluster, long, short)).toEqual([
      { kind: "ended", exit: 6, signal: null },
      { kind: "ended", exit: 0, signal: null },
    ]);
  });

  test("jobs are held and released, suspended and resumed", async () => {
    const id = await submit(cluster, "until [[ -e go ]]; do sleep 0.05; done", "-h");
    expect(await outcomes(cluster, id)).toEqual([{ kind: "held", holds: "u" }]);
    expect(await cluster.run("qsig", [id])).toEqual({
      stdout: "",
      stderr: `qsig: Request invalid for state of job ${id}\n`,
      exit: 168,
    });
    await cluster.run("qrls", [id]);
    await untilRunning(cluster, id);
    await cluster.run("qsig", ["-s", "suspend", id]);
    expect(await outcomes(cluster, id)).toEqual([{ kind: "running", suspended: true }]);
    await cluster.run("qsig", ["-s", "resume", id]);
    writeFileSync(join(cluster.home, "go"), "");
    await untilState(cluster, id, "F");
  });

  test("many submissions at once each get an id and run once", async () => {
    const ids = await Promise.all(
      Array.from({ length: 40 }, (_, number) => submit(cluster, `echo ${number} >> together`, "-N", "together")),
    );
    expect(new Set(ids).size).toBe(40);
    await until(async () => (await cluster.run("qselect")).stdout === "", "all have ended");
    const numbers = output("together").trim().split("\n").map(Number);
    expect(numbers.sort((a, b) => a - b)).toEqual([...ids.keys()]);
    expect((await cluster.run("qselect", ["-x", "-N", "together"])).stdout.trim().split("\n").sort()).toEqual(
      ids.sort(),
    );
  });

  test("a name that looks like a number is printed as one [F22]", async () => {
    const id = await submit(cluster, "true", "-N", "0012e3");
    expect((await cluster.run("qstat", ["-x", "-f", "-F", "json", id])).stdout).toContain('"Job_Name":\t12000');
  });

  test("what it does not imitate it refuses by name", async () => {
    expect(await cluster.run("qsub", ["-I"])).toMatchObject({ exit: 99, stderr: expect.stringContaining("qsub -I") });
    expect(await cluster.run("qstat", ["-u", "me"])).toMatchObject({ exit: 99 });
  });

  test("arrays of one member, members that may not rerun and unknown resources are refused", async () => {
    const refused = (...options: string[]) => cluster.run("qsub", options, { input: "true" });
    expect(await refused("-J", "3-3")).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining("qsub: illegal -J value"),
    });
    expect(await refused("-J", "0-3", "-r", "n")).toMatchObject({ exit: 1 });
    expect(await refused("-l", "fpga=1")).toEqual({
      stdout: "",
      stderr: "qsub: Unknown resource Resource_List.fpga\n",
      exit: 187,
    });
    expect((await refused("-l", "storage=scratch/li96")).exit).toBe(0);
  });
});

describe("other sites", () => {
  async function withCluster(settings: PbsSettings, use: (cluster: PbsCluster) => Promise<void>): Promise<void> {
    const cluster = await startPbs(settings);
    try {
      await use(cluster);
    } finally {
      await cluster.stop();
    }
  }

  test("without history, a job that has ended is unknown, and `-x` is refused with exit 0", () =>
    withCluster({ history: false }, async (cluster) => {
      const id = await submit(cluster, "exit 3");
      await until(async () => (await cluster.run("qstat", [id])).exit === 153, "the job is forgotten");
      const answer = await cluster.run("qstat", ["-x", "-f", "-F", "json", id]);
      expect(answer).toMatchObject({ stdout: "", exit: 0 });
      expect(readPbsStatus(answer)).toMatchObject({ refused: new Map([[id, "no-history"]]) });
    }));

  test("history ends by time, or at once", () =>
    withCluster({ history_seconds: 15 }, async (cluster) => {
      const first = await submit(cluster, "true");
      await untilState(cluster, first, "F");
      await until(async () => Object.keys(await jobs(cluster)).length === 0, "the history is over");
      const second = await submit(cluster, "true", "-J", "0-1");
      await untilState(cluster, second, "F");
      await cluster.dropHistory();
      expect(await cluster.run("qstat", ["-x", second])).toMatchObject({ exit: 153 });
    }));

  test("where a deleted job shows its signal, it is deleted all the same [F13]", () =>
    withCluster({ deleted_status: "signal" }, async (cluster) => {
      const id = await submit(cluster, "sleep 300");
      await untilRunning(cluster, id);
      await cluster.run("qdel", [id]);
      await untilState(cluster, id, "F");
      expect(await job(cluster, id)).toMatchObject({ Exit_status: 271, substate: 91 });
      expect(await outcomes(cluster, id)).toMatchObject([{ kind: "deleted", ran: true }]);
    }));

  test("queues and limits refuse jobs", () =>
    withCluster(
      {
        queues: [
          { name: "short", max_walltime: 60, max_array_size: 3 },
          { name: "closed", enabled: false },
        ],
        max_jobs_per_user: 4,
      },
      async (cluster) => {
        const refused = (...options: string[]) => cluster.run("qsub", ["-h", ...options], { input: "true" });
        expect(await refused("-l", "walltime=00:02:00")).toMatchObject({ exit: 188 });
        expect(await refused("-J", "0-3")).toMatchObject({ exit: 3 });
        expect(await refused("-q", "closed")).toMatchObject({ exit: 173 });
        expect(await refused("-J", "0-2")).toMatchObject({ exit: 0 });
        expect(await refused("-J", "0-1")).toEqual({
          stdout: "",
          stderr: "qsub: would exceed complex's per-user limit\n",
          exit: 38,
        });
      },
    ));

  test("nothing of a stopped cluster is left, not even what left the session of its job", async () => {
    const cluster = await startPbs();
    const mark = `${Date.now()}.25`;
    const id = await submit(cluster, `setsid sleep ${mark} & sleep ${mark}`);
    await untilRunning(cluster, id);
    await until(() => processesWith(mark).length >= 2, "both run");
    await cluster.stop();
    await until(() => [mark, cluster.directory].every((text) => processesWith(text).length === 0), "both have ended");
    expect(existsSync(cluster.directory)).toBe(false);
  });
});
