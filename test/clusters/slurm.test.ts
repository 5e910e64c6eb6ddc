import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SlurmCluster, slurmMissing, startSlurm } from "./slurm.ts";
import { sshMissing, startSshHosts } from "./ssh.ts";

const run = promisify(execFile);
const startLimitMs = 120_000;

/** Waits for a state of a job that fits. */
async function expectState(cluster: SlurmCluster, job: string, state: RegExp): Promise<void> {
  await expect.poll(() => cluster.state(job), { interval: 100 }).toMatch(state);
}

/** What a job has printed; nothing before it starts. */
function output(cluster: SlurmCluster, job: string): string {
  const path = join(cluster.scratch, `slurm-${job}.out`);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Where a job waits for a file, so that a test says when it ends. */
function waitFor(name: string): string {
  return `while [ ! -e ${name} ]; do sleep 0.1; done`;
}

describe.skipIf(slurmMissing() !== null)("Slurm", () => {
  let cluster: SlurmCluster;
  beforeAll(async () => {
    cluster = await startSlurm();
  }, startLimitMs);
  afterAll(() => cluster.stop());

  test("has two nodes with two GPUs each", async () => {
    const nodes = await cluster.client("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T %G");
    expect(nodes).toBe("n1 idle gpu:2\nn2 idle gpu:2\n");
  });

  test("gives each job GPUs of its own, and says which", async () => {
    const script = `echo "$(hostname) $CUDA_VISIBLE_DEVICES"; ${waitFor("all-have-begun")}`;
    const holders = await Promise.all(Array.from({ length: 4 }, () => cluster.submit(script, "--gres=gpu:1")));
    const jobs = [...holders, await cluster.submit("echo ${CUDA_VISIBLE_DEVICES-none}")];
    await expect.poll(() => holders.every((job) => output(cluster, job) !== "")).toBe(true);
    await cluster.client("touch", "all-have-begun");
    await Promise.all(jobs.map((job) => expectState(cluster, job, /^COMPLETED$/)));
    expect(jobs.map((job) => output(cluster, job)).toSorted()).toEqual([
      "n1 0\n",
      "n1 1\n",
      "n2 0\n",
      "n2 1\n",
      "none\n",
    ]);
  });

  test("runs arrays: one task of 20 fails, and the others do not", async () => {
    const job = await cluster.submit('[ "$SLURM_ARRAY_TASK_ID" != 7 ] || exit 3', "--array=1-20", "--comment=token");
    await expectState(cluster, job, /^((COMPLETED|FAILED)\n?){20}$/);
    const format = "--format=%K|%T|%r|%k";
    const tasks = await cluster.client("squeue", "--noheader", "--states=all", `--jobs=${job}`, "--array", format);
    const states = tasks.trim().split("\n");
    expect(states.filter((line) => line.endsWith("|COMPLETED|None|token"))).toHaveLength(19);
    expect(states).toContain("7|FAILED|NonZeroExitCode|token");
  });

  test("refuses an array that is too large", async () => {
    await expect(cluster.submit("true", "--array=0-1001")).rejects.toThrow(/Invalid job array specification/);
  });

  test("cancels a job that runs and one that waits", async () => {
    const running = await cluster.submit("sleep 1000");
    const waiting = await cluster.submit("true", `--dependency=afterok:${running}`);
    await expectState(cluster, running, /^RUNNING$/);
    await cluster.client("scancel", running, waiting);
    await expectState(cluster, running, /^CANCELLED$/);
    await expectState(cluster, waiting, /^CANCELLED$/);
  });

  test("ends a job whose time is over", async () => {
    const job = await cluster.submit("sleep 1000", "--partition=short");
    await expectState(cluster, job, /^RUNNING$/);
    await cluster.expire(job);
    await expectState(cluster, job, /^TIMEOUT$/);
    expect(output(cluster, job)).toContain("DUE TO TIME LIMIT");
  });

  test("queues a job again that gives way to one of a higher partition", async () => {
    const script = `echo "try \${SLURM_RESTART_COUNT-0}"; ${waitFor("preempted-may-end")}`;
    const low = await cluster.submit(script, "--partition=preempt", "--nodes=2", "--gres=gpu:2", "--open-mode=append");
    await expect.poll(() => output(cluster, low)).toBe("try 0\n");
    const high = await cluster.submit("sleep 1", "--partition=urgent", "--nodes=2", "--gres=gpu:2");
    await expectState(cluster, low, /^PENDING$/);
    await expectState(cluster, high, /^COMPLETED$/);
    await cluster.client("touch", "preempted-may-end");
    await expectState(cluster, low, /^COMPLETED$/);
    expect(output(cluster, low)).toMatch(/^try 0\n[^]*\ntry 1\n$/);
  });

  test("a node that crashes takes its jobs along: one fails, one that may is queued again", async () => {
    const script = `echo "try \${SLURM_RESTART_COUNT-0}"; ${waitFor("requeued-may-end")}`;
    const again = await cluster.submit(script, "--nodelist=n1", "--requeue", "--open-mode=append");
    const once = await cluster.submit("sleep 1000", "--nodelist=n1", "--no-requeue");
    const elsewhere = await cluster.submit(waitFor("requeued-may-end"), "--nodelist=n2");
    await Promise.all([again, once, elsewhere].map((job) => expectState(cluster, job, /^RUNNING$/)));
    // RUNNING is said before the script starts.
    await expect.poll(() => output(cluster, again)).toBe("try 0\n");
    await cluster.crashNode("n1");
    expect(await cluster.state(once)).toBe("RUNNING");
    await cluster.declareDown("n1");
    await expectState(cluster, once, /^NODE_FAIL$/);
    await expectState(cluster, again, /^PENDING$/);
    await cluster.bootNode("n1");
    await cluster.client("touch", "requeued-may-end");
    await expectState(cluster, again, /^COMPLETED$/);
    await expectState(cluster, elsewhere, /^COMPLETED$/);
    expect(output(cluster, again)).toBe("try 0\ntry 1\n");
  });

  test("jobs go on while the controller is down, and it knows them when it is back", async () => {
    const ends = await cluster.submit(waitFor("ends"));
    const stays = await cluster.submit("sleep 1000");
    await Promise.all([ends, stays].map((job) => expectState(cluster, job, /^RUNNING$/)));
    await cluster.end("slurmctld", "TERM");
    await expect(cluster.state(ends)).rejects.toThrow(/Unable to contact slurm controller/);
    await cluster.client("touch", "ends");
    await cluster.start("slurmctld");
    await cluster.ready();
    await expectState(cluster, ends, /^COMPLETED$/);
    expect(await cluster.state(stays)).toBe("RUNNING");
    await cluster.client("scancel", stays);
  });

  test("a job that ends while its node's slurmd is dead is completing until slurmd is back", async () => {
    const job = await cluster.submit(waitFor("ends-alone"), "--nodelist=n2");
    await expectState(cluster, job, /^RUNNING$/);
    await cluster.end("slurmd-n2");
    await cluster.client("touch", "ends-alone");
    await expectState(cluster, job, /^COMPLETING$/);
    await cluster.start("slurmd-n2");
    await expectState(cluster, job, /^COMPLETED$/);
  });

  test("says that there is no history", async () => {
    await expect(cluster.client("sacct")).rejects.toThrow(/accounting storage is disabled/);
  });

  test.skipIf(sshMissing() !== null)("can be reached through a login host that shares its home and files", async () => {
    const lab = await startSshHosts({ login: cluster.loginHost });
    const login = (command: string) => run("ssh", ["-F", lab.config, "login", command]);
    const wrap = "echo from $(hostname) >~/answer";
    const { stdout } = await login(`cd ${cluster.scratch} && sbatch --parsable --wait --wrap '${wrap}'`);
    await expectState(cluster, stdout.trim(), /^COMPLETED$/);
    expect((await login("hostname; cat ~/answer")).stdout).toMatch(/^login\nfrom n[12]\n$/);
    await lab.stop();
  });
});

const withHistory = { accounting: true, memoryLimits: true, forgetAfter: 2, maxArraySize: 11 };

describe.skipIf(slurmMissing(withHistory) !== null)("Slurm with accounting and memory limits", () => {
  let cluster: SlurmCluster;
  beforeAll(async () => {
    cluster = await startSlurm(withHistory);
  }, startLimitMs);
  afterAll(() => cluster.stop());

  async function history(job: string): Promise<string[]> {
    const format = "--format=JobID,State,ExitCode";
    const rows = await cluster.client("sacct", "--noheader", "--allocations", "--parsable2", format, `--jobs=${job}`);
    return rows.trim().split("\n");
  }

  test("sacct reports how each task of an array ended, also when the controller has forgotten it", async () => {
    const job = await cluster.submit('exit "$SLURM_ARRAY_TASK_ID"', "--array=0-2");
    const rows = [`${job}_0|COMPLETED|0:0`, `${job}_1|FAILED|1:0`, `${job}_2|FAILED|2:0`];
    await expect.poll(() => history(job)).toEqual(rows);
    await expect.poll(() => cluster.state(job).catch(String)).toMatch(/Invalid job id/);
    expect(await history(job)).toEqual(rows);
  });

  test("ends a job that uses more memory than it asked for", async () => {
    const hungry = `python3 -c "x = b'a' * 300_000_000"`;
    const job = await cluster.submit(hungry, "--mem=50M");
    await expect.poll(() => history(job)).toEqual([`${job}|OUT_OF_MEMORY|0:125`]);
    expect(output(cluster, job)).toContain("oom-kill event");
  });

  test("refuses an account that does not exist, and an array that the site does not allow", async () => {
    await expect(cluster.submit("true", "--account=nobody")).rejects.toThrow(/Invalid account/);
    await expect(cluster.submit("true", "--array=0-11")).rejects.toThrow(/Invalid job array specification/);
    await cluster.client("scancel", await cluster.submit("true", "--account=lab", "--array=0-10"));
  });

  test("jobs go on while the history is down, and enter it when it is back", async () => {
    await cluster.end("slurmdbd");
    const job = await cluster.submit("true");
    await expect(history(job)).rejects.toThrow(/Connection refused/);
    await cluster.start("slurmdbd");
    await expect.poll(() => history(job).catch(String)).toEqual([`${job}|COMPLETED|0:0`]);
  });

  test("stop ends the jobs and removes everything", async () => {
    const other = await startSlurm();
    const job = await other.submit("sleep 1000");
    await expectState(other, job, /^RUNNING$/);
    expect(await other.client("squeue", "--noheader", "--format=%i")).toBe(`${job}\n`);
    await other.stop();
    expect(existsSync(dirname(other.scratch))).toBe(false);
  });
});
