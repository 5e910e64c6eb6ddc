import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createPlainServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { DaemonFile } from "../../packages/rigor/src/api/contract/daemon-file.ts";
import { eventually, experimentFile, TestLab } from "./lab.ts";
import { killIfThere } from "./processes.ts";
import { victimsOf } from "./victims.ts";

let lab: TestLab;
let go: string;

beforeEach(() => {
  lab = new TestLab();
  go = join(lab.directory, "go");
  lab.commit({
    "run.sh": `
echo begun
count=0
while [ ! -e "$1" ]; do count=$((count + 1)); echo "line $count"; sleep 0.02; done
echo "ended after $count"
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`,
    "rigor.yaml": "compute:\n  local: { kind: local, cpus: 8 }\n",
    "experiment.yaml": experimentFile({ run: ["sh", "run.sh", go] }),
  });
});
afterEach(() => lab.remove());

async function beginRuns(): Promise<DaemonFile> {
  expect(await lab.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
  await eventually("all jobs at work", () => globSync(join(lab.home, "attempts/*/*/process")).length === 6);
  const file = lab.daemonFile();
  if (file === null) throw new Error("there is no daemon.json");
  return file;
}

const jobs = () => lab.processes().filter((one) => one.leader && one.command[1]?.endsWith("/job.sh") === true);

/** Each log has every line, the jobs were never started anew, and all of it is in the log of events. */
async function expectWholeEnd(): Promise<void> {
  writeFileSync(go, "");
  expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
  const logs = globSync(join(lab.home, "attempts/*/*/stdout.log")).map((path) => readFileSync(path, "utf8"));
  expect(logs).toHaveLength(6);
  for (const log of logs) {
    const [, count] = /ended after (\d+)\n$/.exec(log) ?? [];
    const lines = Array.from({ length: Number(count) }, (_, index) => `line ${index + 1}\n`);
    expect(log).toBe(`begun\n${lines.join("")}ended after ${count}\n`);
  }
  expect(await lab.cli("down")).toMatchObject({ status: 0 });
  await eventually("an end of all processes", () => lab.processes().length === 0);
  expect(await lab.differences()).toEqual([]);
}

/** Whether the daemon has an artifact open. */
function isHashing(): boolean {
  return globSync(`/proc/${lab.daemonFile()?.pid}/fd/*`).some((descriptor) => {
    try {
      return readlinkSync(descriptor).endsWith("/output/weights");
    } catch {
      return false; // It was closed meanwhile.
    }
  });
}

const isAlive = (pid: number): boolean => lab.processes().some((one) => one.pid === pid);

describe("a daemon that is told to end while jobs run", () => {
  test("by `rigor down`: streams end, jobs go on, and the next one adopts them [daemon.graceful] [daemon.reconcile] [job.survives-daemon]", async () => {
    const { pid, address, token } = await beginRuns();
    const response = await fetch(`${address}/api/events`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(200);
    // The stream is cut, or comes to its end: in either way its reader learns of it.
    const streamed = response.text().then(
      () => "ended",
      () => "cut",
    );
    const down = await lab.cli("down");
    expect(down).toMatchObject({ status: 0 });
    expect(down.stdout).toMatch(/6 jobs go on/);
    expect(["ended", "cut"]).toContain(await streamed);
    expect(isAlive(pid)).toBe(false);
    expect(lab.daemonFile()).toBeNull();
    expect(jobs()).toHaveLength(6);
    await expectWholeEnd();
  });

  test.each(["SIGTERM", "SIGINT"] as const)("by %s: the same [daemon.graceful]", async (signal) => {
    const { pid } = await beginRuns();
    process.kill(pid, signal);
    await eventually("an end of the daemon", () => !isAlive(pid));
    expect(lab.daemonFile()).toBeNull();
    expect(jobs()).toHaveLength(6);
    await expectWholeEnd();
  });

  test("while it hashes an artifact: it does not wait for that, and the next one begins it anew [daemon.graceful]", async () => {
    // A file of four terabytes that takes no room: no machine hashes it while a test waits.
    const vast =
      'truncate -s 4T "$RIGOR_OUTPUT/weights"; printf \'{"metrics":{"loss":1}}\' >"$RIGOR_OUTPUT/result.json"';
    const outputs = { result: "result.json", artifacts: ["weights"] };
    lab.commit({ "vast.yaml": experimentFile({ name: "vast", seeds: [0], run: ["sh", "-c", vast], outputs }) });
    expect(await lab.cli("run", "vast.yaml", "--detach")).toMatchObject({ status: 0 });
    await eventually("hashing", isHashing);
    const { pid = 0 } = lab.daemonFile() ?? {};
    process.kill(pid, "SIGTERM");
    await eventually("an end of the daemon", () => !isAlive(pid), 120_000);
    expect(await lab.cli("up")).toMatchObject({ status: 0 });
    await eventually("hashing again", isHashing);
    expect(await lab.cli("cancel", "vast")).toMatchObject({ status: 0 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(await lab.differences()).toEqual([]);
  });

  test("jobs that end while no daemon is there are recorded as they ended [daemon.reconcile] [F11] [F16]", async () => {
    await beginRuns();
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    writeFileSync(go, "");
    await eventually("an end of all jobs", () => globSync(join(lab.home, "attempts/*/*/exit.json")).length === 6);
    await expectWholeEnd();
  });
});

describe("a daemon that is killed while it starts", () => {
  test("leaves nothing that keeps the next one from starting [daemon.reconcile] [F01]", async () => {
    for (let delay = 20; delay <= 600; delay += 40) {
      const { child, answer } = lab.startDaemon();
      await sleep(delay);
      child.kill("SIGKILL");
      await answer;
    }
    await beginRuns();
    for (let delay = 100; delay <= 500; delay += 100) {
      killIfThere(lab.daemonFile()?.pid);
      const { child, answer } = lab.startDaemon();
      await sleep(delay);
      child.kill("SIGKILL");
      await answer;
    }
    await expectWholeEnd();
  });
});

describe("a daemon that hangs", () => {
  /** What a person reads of it: its pid, and how to end it. */
  const hanging = (pid: number, what: string) =>
    new RegExp(`^error: The daemon \\(pid ${pid}\\) ${what} \\d+ s\\.\\n +\`kill -9 ${pid}\` ends it: jobs go on`, "m");

  test("while it ends is named by every command, and what ends it [daemon.hangs]", async () => {
    const { pid } = await beginRuns();
    process.kill(pid, "SIGSTOP");
    // The first thing that a daemon does when it ends.
    rmSync(join(lab.home, "daemon.json"));
    const [down, status] = await Promise.all([lab.cli("down"), lab.cli("status")]);
    expect(down).toMatchObject({ status: 2, stderr: expect.stringMatching(hanging(pid, "has not ended after")) });
    expect(status).toMatchObject({ status: 2, stderr: expect.stringMatching(hanging(pid, "has not answered for")) });
    // One that a command had started may be slow to find out that it is not the first, and would be the next.
    await eventually("no other daemon", () => victimsOf(lab, "daemon").every((daemon) => daemon.pid === pid));
    process.kill(pid, "SIGKILL");
    await eventually("an end of the daemon", () => !isAlive(pid));
    expect(await lab.cli("down")).toMatchObject({ status: 0, stdout: "No daemon is running.\n" });
    await expectWholeEnd();
  }, 180_000);

  test("and does not answer is named by `rigor down`, and what ends it [daemon.hangs]", async () => {
    const { pid } = await beginRuns();
    process.kill(pid, "SIGSTOP");
    const down = await lab.cli("down");
    expect(down).toMatchObject({ status: 2, stderr: expect.stringMatching(hanging(pid, "has not answered for")) });
    process.kill(pid, "SIGKILL");
    await expectWholeEnd();
  }, 180_000);

  test("is not taken to be a program that has its pid by now [daemon.hangs] [F19]", async () => {
    expect(await lab.cli("up")).toMatchObject({ status: 0 });
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(existsSync(join(lab.home, "daemon.pid"))).toBe(false);
    writeFileSync(join(lab.home, "daemon.pid"), `${process.pid}\n`, { mode: 0o600 });
    expect(await lab.cli("down")).toMatchObject({ status: 0, stdout: "No daemon is running.\n" });
  });
});

describe("what a dead daemon wrote about itself", () => {
  /** A server that answers everything alike. */
  const web = (status: number, type: string, body: string) =>
    createServer((_request, response) => response.writeHead(status, { "content-type": type }).end(body));

  test("is replaced when its pid belongs to another process now [daemon.autostart] [F19]", async () => {
    const file = await beginRuns();
    killIfThere(file.pid);
    const stranger = spawn("sleep", ["1000"], { stdio: "ignore" });
    onTestFinished(() => void stranger.kill("SIGKILL"));
    writeFileSync(join(lab.home, "daemon.json"), JSON.stringify({ ...file, pid: stranger.pid }), { mode: 0o600 });
    expect(await lab.cli("status")).toMatchObject({ status: 0 });
    expect(lab.daemonFile()?.pid).not.toBe(stranger.pid);
    expect(stranger.exitCode).toBeNull();
    await expectWholeEnd();
    expect(stranger.kill()).toBe(true);
  });

  test("`rigor down` harms no other process that has its pid [F19]", async () => {
    const file = await beginRuns();
    killIfThere(file.pid);
    const stranger = spawn("sleep", ["1000"], { stdio: "ignore" });
    onTestFinished(() => void stranger.kill("SIGKILL"));
    writeFileSync(join(lab.home, "daemon.json"), JSON.stringify({ ...file, pid: stranger.pid }), { mode: 0o600 });
    expect(await lab.cli("down")).toMatchObject({ status: 0, stdout: "No daemon is running.\n" });
    expect(stranger.exitCode).toBeNull();
    expect(stranger.kill()).toBe(true);
  });

  test.each([
    ["a server that knows nothing of it", () => web(404, "text/plain", "nothing here")],
    ["a server that refuses its token", () => web(401, "application/json", "{}")],
    ["a server that has a page for everything", () => web(200, "text/html", "<p>here</p>")],
    ["a server whose answers look like a daemon's", () => web(200, "application/json", '{"json":{"experiments":[]}}')],
    ["a server that fails", () => web(500, "text/plain", "oh")],
    ["a program that speaks no HTTP", () => createPlainServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"))],
  ])("is not used when its port belongs to %s [F19] [daemon.autostart]", async (_name, makeServer) => {
    const file = await beginRuns();
    killIfThere(file.pid);
    await eventually("an end of the daemon", () => !isAlive(file.pid));
    const server = makeServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    // The pid is in use again, too: only the answers show that the daemon is gone.
    const stale = JSON.stringify({ ...file, pid: process.pid, address: `http://127.0.0.1:${port}` });
    writeFileSync(join(lab.home, "daemon.json"), stale, { mode: 0o600 });
    try {
      expect(await lab.cli("down")).toMatchObject({ status: 0, stdout: "No daemon is running.\n" });
      const answer = await lab.cli("status");
      expect(answer).toMatchObject({ status: 0 });
      expect(answer.stdout).toMatch(/small/);
      await expectWholeEnd();
    } finally {
      server.close();
    }
  });

  test("is not waited for when its port belongs to a server that never answers [F19] [daemon.autostart]", async () => {
    const file = await beginRuns();
    killIfThere(file.pid);
    await eventually("an end of the daemon", () => !isAlive(file.pid));
    const server = createPlainServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const stale = JSON.stringify({ ...file, address: `http://127.0.0.1:${port}` });
    writeFileSync(join(lab.home, "daemon.json"), stale, { mode: 0o600 });
    try {
      expect(await lab.cli("status")).toMatchObject({ status: 0 });
      await expectWholeEnd();
    } finally {
      server.close();
    }
  });

  test("another laboratory's daemon on its port is not taken for it [F19]", async () => {
    const other = new TestLab();
    try {
      other.commit({ "run.sh": "", "experiment.yaml": experimentFile() });
      expect(await other.cli("up")).toMatchObject({ status: 0 });
      const file = await beginRuns();
      killIfThere(file.pid);
      const address = other.daemonFile()?.address;
      mkdirSync(lab.home, { recursive: true });
      writeFileSync(join(lab.home, "daemon.json"), JSON.stringify({ ...file, address }), { mode: 0o600 });
      expect((await lab.cli("status")).stdout).toMatch(/small/);
      await expectWholeEnd();
    } finally {
      await other.remove();
    }
  });
});
