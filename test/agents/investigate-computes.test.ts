/** Questions whose tool servers are jobs of other machines, through the real daemon and command line. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InvestigationView } from "../../packages/rigor/src/api/contract/views/investigations.ts";
import { startPbs, type PbsCluster } from "../clusters/pbs.ts";
import { slurmMissing, startSlurm, type SlurmCluster } from "../clusters/slurm.ts";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { beginIn, investigateIn, investigator, showIn } from "./investigating.testing.ts";
import { claudeCode } from "./programs.ts";

let lab: UserLab;
let model: AnthropicServer;
let hosts: SshLab;
let cluster: SlurmCluster;
let pbs: PbsCluster;

const http = { health: "/health", ready_seconds: 120 };
const bench = { command: "python3", args: ["measure.py", "${PORT}"], http };
const tools = (more: object = {}) => JSON.stringify({ mcpServers: { bench: { ...bench, ...more } } });
const missing = claudeCode === null ? "Claude Code is not installed." : (sshMissing() ?? slurmMissing());

beforeAll(async () => {
  if (missing !== null) return;
  cluster = await startSlurm();
  pbs = await startPbs();
  hosts = await startSshHosts({ lab1: {}, login: cluster.loginHost });
  model = await AnthropicServer.start(investigator(() => lab.directory));
  lab = new UserLab().init();
  Object.assign(lab.environment, {
    ...pbs.environment(),
    PATH: `${dirname(claudeCode ?? "")}:${pbs.environment()["PATH"]}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-of-the-user-0123456789",
    PIN_TOKEN: "a pin of the bench alone",
  });
  const ssh_config = hosts.config;
  lab.commit({
    "measure.py": readFileSync(join(import.meta.dirname, "measure.py"), "utf8"),
    "rigor.yaml": JSON.stringify({
      compute: {
        lab1: { kind: "ssh", host: "lab1", ssh_config },
        cluster: { kind: "slurm", via: { ssh: "login", ssh_config }, calls_per_minute: 600 },
        pbs: { kind: "pbs", calls_per_minute: 600, workdir: join(lab.directory, "pbs") },
        rationed: { kind: "pbs", calls_per_minute: 2, workdir: join(lab.directory, "rationed") },
      },
    }),
    "good.json": tools(),
    "stdio.json": tools({ args: ["measure.py", "--stdio"], http: undefined }),
    "card.json": tools({ resources: { gpus: 1, time: "10m" } }),
    "dies.json": tools({ env: { FAULT: "dies", PIN: "${PIN_TOKEN}" } }),
    "never.json": tools({ env: { FAULT: "never" }, http: { ...http, ready_seconds: 2 } }),
    "missing.json": tools({ command: "no-such-program" }),
    "greedy.json": tools({ resources: { gpus: 9 } }),
  });
});

afterAll(async () => {
  if (missing !== null) return;
  await lab.close();
  await model.close();
  await hosts.stop();
  await cluster.stop();
  await pbs.stop();
});

const investigate = (question: string, file: string, ...more: string[]) => investigateIn(lab, question, file, ...more);
const show = (number: number) => showIn(lab, number);
const transcriptOf = (directory: string) => readFileSync(join(directory, "session/transcript.jsonl"), "utf8");

/** Tool servers and their keepers that run on a host; hosts have processes of their own. */
const serversOn = async (host: { run(script: string): Promise<string> }) =>
  host.run("ps -eo args | grep -c '[m]easure.py\\|[t]ool-server.py' || true");

/** Whether a keeper of this lab runs on this machine itself. */
const keeperRuns = (): boolean =>
  execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
    .split("\n")
    .some((line) => line.startsWith("python3 ") && line.includes(lab.directory));

const untilNothingRunsOn = (name: "lab1" | "n1" | "n2") => {
  const host = name === "lab1" ? hosts.host(name) : cluster.node(name);
  return until(`nothing runs on ${name}`, async () => (await serversOn(host)).trim() === "0", 120_000);
};

/** Lets an agent go on that was asked to wait, until its investigation has ended. */
async function goOn(number: number): Promise<InvestigationView["investigation"]> {
  // Where the daemon was killed, this starts the next one: without it no tool answers.
  await show(number);
  lab.write({ "../go-on": "" });
  await until("it has ended", async () => (await show(number)).investigation.state === "ended", 120_000);
  rmSync(join(lab.directory, "go-on"));
  return (await show(number)).investigation;
}

describe.skipIf(missing !== null)("an investigation on another machine", () => {
  test("has its tool server there, and all that it finds here [investigate.compute] [investigate.compute-ends]", async () => {
    const { investigation, artifacts } = await investigate("What grows here?", "good.json", "--compute", "lab1");
    expect(investigation).toMatchObject({ state: "ended", outcome: "answered", evidence: "It is a parabola." });
    expect(artifacts).toMatchObject([{ path: "curve.csv" }]);
    expect(transcriptOf(investigation.directory)).toMatch(/measurement \d on lab1/);
    expect(readFileSync(join(investigation.directory, "tools/bench.log"), "utf8")).toContain("listens on");
    await untilNothingRunsOn("lab1");
  });

  test("uses a server there that speaks on its input and output [investigate.compute] [investigate.tools]", async () => {
    const { investigation } = await investigate("What grows?", "stdio.json", "--compute", "lab1");
    expect(investigation).toMatchObject({ outcome: "answered" });
    expect(transcriptOf(investigation.directory)).toMatch(/measurement \d on lab1/);
  });

  test("has a card of a cluster for it, behind the login node [investigate.compute]", async () => {
    const { investigation } = await investigate("What grows on a card?", "card.json", "--compute", "cluster");
    expect(investigation).toMatchObject({ outcome: "answered", evidence: "It is a parabola." });
    expect(transcriptOf(investigation.directory)).toMatch(/measurement \d on n[12] with cards '[01]'/);
    await untilNothingRunsOn("n1");
    await untilNothingRunsOn("n2");
  });

  test.each(["local", "pbs"])("has its server as a job of this machine: %s [investigate.compute]", async (compute) => {
    const { investigation } = await investigate(`What grows on ${compute}?`, "good.json", "--compute", compute);
    expect(investigation).toMatchObject({ outcome: "answered" });
    await until("nothing of its job runs", async () => !keeperRuns(), 120_000);
    expect(transcriptOf(investigation.directory)).toMatch(/measurement \d on/);
  });

  test("says that it waits in a queue and why, and takes its job from it when it is stopped [investigate.compute-ends]", async () => {
    for (const node of ["n1", "n2"])
      await cluster.client("scontrol", "update", `NodeName=${node}`, "State=DRAIN", "Reason=test");
    const { number } = await beginIn(lab, "What grows, later?", "good.json", "--compute", "cluster");
    const waits = async () => (await show(number)).investigation.waits_for ?? "";
    await until("it says why it waits", async () => /bench is queued on cluster \(\w+/.test(await waits()), 180_000);
    expect(await lab.json("investigation", "stop", String(number))).toMatchObject({ outcome: "stopped" });
    await until("the queue is empty", async () => (await cluster.client("squeue", "--noheader")).trim() === "");
    for (const node of ["n1", "n2"]) await cluster.client("scontrol", "update", `NodeName=${node}`, "State=RESUME");
  }, 900_000);

  test("says that the calls of its scheduler are rationed, and is ended before its job is submitted [investigate.compute-ends]", async () => {
    const begun: { number: number }[] = [];
    for (const what of ["first", "second"]) {
      begun.push(await beginIn(lab, `WAIT, the ${what}`, "good.json", "--compute", "rationed"));
    }
    let waiting = 0;
    await until("one says that it is not submitted yet", async () => {
      const shown = await Promise.all(begun.map(({ number }) => show(number)));
      const found = shown.find(({ investigation }) =>
        /bench on rationed is not submitted yet: calls_per_minute allows 2/.test(investigation.waits_for ?? ""),
      );
      waiting = found?.investigation.number ?? 0;
      return found !== undefined;
    });
    expect((await lab.rigor("investigation", "show", String(waiting))).text).toContain("not submitted yet");
    for (const { number } of begun) {
      expect(await lab.json("investigation", "stop", String(number))).toMatchObject({ outcome: "stopped" });
    }
    await until("nothing of its jobs runs", async () => !keeperRuns(), 200_000);
  }, 900_000);

  test("goes on with the next daemon and the server that is there [investigate.compute] [investigate.survives]", async () => {
    const { number, directory } = await beginIn(
      lab,
      "WAIT TWICE for the next daemon",
      "good.json",
      "--compute",
      "lab1",
    );
    const hasMeasured = () => existsSync(join(directory, "artifacts/curve.csv"));
    await until("it has measured once", async () => hasMeasured(), 180_000);
    process.kill(lab.daemonPid() ?? 0, "SIGKILL");
    expect(await goOn(number)).toMatchObject({ outcome: "answered" });
    expect(transcriptOf(directory)).toMatch(/value 16, measurement [2-9] on lab1/);
    await untilNothingRunsOn("lab1");
  }, 900_000);

  test("fails with the server's own words when that dies there, and shows no secret [investigate.compute-ends] [F41]", async () => {
    const { investigation } = await investigate("What grows and dies?", "dies.json", "--compute", "lab1");
    expect(investigation).toMatchObject({ state: "ended", outcome: "failed" });
    expect(investigation.evidence).toMatch(/bench ended.*status 3.*CUDA out of memory/s);
    const spec = await hosts.host("lab1").run("grep -rl 'pin of the bench' /root/.rigor || true");
    expect(spec.trim()).toBe("");
  });

  test.each([
    ["never gets ready", "never.json", /bench cannot be used.*not ready after 2 s on lab1.*503/s],
    ["cannot be started", "missing.json", /bench cannot be used.*status 127.*no-such-program cannot be started/s],
    ["needs more than is there", "greedy.json", /can never start on lab1: it needs 9 GPUs/],
  ])("fails with the cause when its server %s [investigate.compute-ends]", async (_, file, cause) => {
    const { investigation } = await investigate("What grows, in vain?", file, "--compute", "lab1");
    expect(investigation).toMatchObject({ state: "ended", outcome: "failed" });
    expect(investigation.evidence).toMatch(cause);
    await untilNothingRunsOn("lab1");
  });

  test("goes on when the connection was lost while it measured [investigate.compute]", async () => {
    const { number } = await beginIn(lab, "Measure AGAIN and again", "good.json", "--compute", "lab1");
    await until("it has measured", async () => (await show(number)).artifacts.length > 0, 180_000);
    expect(await hosts.host("lab1").dropConnections()).toBeGreaterThan(0);
    expect(await goOn(number)).toMatchObject({ outcome: "answered" });
    await untilNothingRunsOn("lab1");
  }, 900_000);

  test("is ended while its machine is silent, and the job as soon as that answers [investigate.compute-ends]", async () => {
    const { number } = await beginIn(lab, "WAIT until the machine is silent", "good.json", "--compute", "lab1");
    await until("it has measured", async () => (await show(number)).artifacts.length > 0, 180_000);
    await hosts.host("lab1").freeze();
    expect(await lab.json("investigation", "stop", String(number))).toMatchObject({ outcome: "stopped" });
    expect(Number(await serversOn(hosts.host("lab1")))).toBeGreaterThan(0);
    await hosts.host("lab1").thaw();
    await untilNothingRunsOn("lab1");
  }, 900_000);

  test("fails with the cause when the scheduler ends its job [investigate.compute-ends]", async () => {
    const { number } = await beginIn(lab, "WAIT until the job is taken away", "good.json", "--compute", "cluster");
    await until("it has measured", async () => (await show(number)).artifacts.length > 0, 180_000);
    await cluster.client("scancel", "--user=root");
    await until("it has ended", async () => (await show(number)).investigation.state === "ended", 180_000);
    const { outcome, evidence } = (await show(number)).investigation;
    expect({ outcome, evidence }).toMatchObject({ outcome: "failed", evidence: expect.stringMatching(/bench ended/) });
  }, 900_000);

  test("refuses a compute that there is not, and needs without a compute [investigate.compute]", async () => {
    const unknown = await lab.rigor("investigate", "Why?", "--tools", "good.json", "--compute", "moon");
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain("There is no compute named moon.");
    const needs = await lab.rigor("investigate", "Why?", "--tools", "card.json");
    expect(needs.stderr).toContain("says what it needs of a compute, and has none");
  });
});
