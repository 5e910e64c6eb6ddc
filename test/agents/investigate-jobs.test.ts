/** What happens to the jobs of tool servers: queued again, out of time, made ready first, waiting for each other. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeWheel } from "../../packages/rigor/src/provenance/wheel.testing.ts";
import { startJobService, type JobService } from "../clusters/job-service.ts";
import { slurmMissing, startSlurm, type SlurmCluster } from "../clusters/slurm.ts";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { documented } from "../compute/command.testing.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { beginIn, investigateIn, investigator, showIn } from "./investigating.testing.ts";
import { claudeCode } from "./programs.ts";

let lab: UserLab;
let model: AnthropicServer;
let hosts: SshLab;
let cluster: SlurmCluster;
let service: JobService;
const missing = claudeCode === null ? "Claude Code is not installed." : (sshMissing() ?? slurmMissing());

const http = { health: "/health", ready_seconds: 120 };
const bench = { command: "python3", args: ["measure.py", "${PORT}"], http };
const tools = (more: object = {}) => JSON.stringify({ mcpServers: { bench: { ...bench, ...more } } });

beforeAll(async () => {
  if (missing !== null) return;
  cluster = await startSlurm();
  hosts = await startSshHosts({ login: cluster.loginHost });
  service = startJobService();
  lab = new UserLab().init();
  model = await AnthropicServer.start(investigator(() => lab.directory));
  Object.assign(lab.environment, {
    PATH: `${dirname(claudeCode ?? "")}:${service.bin}:${lab.environment["PATH"]}`,
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-of-the-user-0123456789",
  });
  const program = readFileSync(join(import.meta.dirname, "measure.py"), "utf8");
  mkdirSync(join(lab.repository, "vendor"));
  writeWheel(join(lab.repository, "vendor/tinypkg-1.0-py3-none-any.whl"), "answer = 42\n");
  lab.commit({
    "measure.py": program,
    "prepared.py": `import tinypkg\n${program}`,
    "requirements.txt": "./vendor/tinypkg-1.0-py3-none-any.whl\n",
    "rigor.yaml": JSON.stringify({
      agents: { sessions: 4 },
      compute: {
        local: { kind: "local", cpus: 2 },
        cluster: { kind: "slurm", via: { ssh: "login", ssh_config: hosts.config }, calls_per_minute: 600 },
        jobs: { ...documented("containers"), calls_per_minute: 600, workdir: join(service.scratch, "work") },
      },
    }),
    "good.json": tools(),
    "short.json": tools({ resources: { time: "15s" } }),
    "large.json": tools({ resources: { cpus: 2 } }),
    "prepared.json": tools({
      command: "python",
      args: ["prepared.py", "${PORT}"],
      environment: { manager: "pip", lock: "requirements.txt" },
    }),
  });
});

afterAll(async () => {
  if (missing !== null) return;
  await lab.close();
  await model.close();
  await hosts.stop();
  await cluster.stop();
  service.stop();
});

const show = (number: number) => showIn(lab, number);
const hasMeasured = (number: number) =>
  until("it has measured", async () => (await show(number)).artifacts.length > 0, 120_000);
const hasEnded = async (number: number) => {
  await until("it has ended", async () => (await show(number)).investigation.state === "ended", 120_000);
  return (await show(number)).investigation;
};

describe.skipIf(missing !== null)("the job of a tool server", () => {
  test("that its scheduler starts anew is a loss, and says so [investigate.compute-ends]", async () => {
    const { number } = await beginIn(lab, "WAIT until it is queued again", "good.json", "--compute", "cluster");
    await hasMeasured(number);
    const [job = ""] = (await cluster.client("squeue", "--noheader", "--format=%i")).trim().split("\n");
    await cluster.client("scontrol", "requeue", job.trim());
    const { outcome, evidence } = await hasEnded(number);
    expect(outcome).toBe("failed");
    expect(evidence).toMatch(/bench ended while the agent worked\. The scheduler of cluster .* started it anew\./);
    await until("the queue is empty", async () => (await cluster.client("squeue", "--noheader")).trim() === "");
  }, 900_000);

  test("that reaches its time limit ends with that cause [investigate.compute-ends]", async () => {
    const { number } = await beginIn(lab, "WAIT until its time is up", "short.json", "--compute", "local");
    const { outcome, evidence } = await hasEnded(number);
    expect({ outcome, evidence }).toMatchObject({ outcome: "failed" });
    expect(evidence).toContain("The time limit of its job was reached.");
  }, 900_000);

  test("that the next daemon finds no way to is ended, with its investigation [investigate.compute-ends]", async () => {
    const { number, directory } = await beginIn(lab, "WAIT for the next daemon", "large.json", "--compute", "local");
    await hasMeasured(number);
    await lab.rigor("down");
    const lost = join(directory, "tools/bench/job.json");
    rmSync(lost);
    const { outcome, evidence, next } = await hasEnded(number);
    expect(outcome).toBe("failed");
    expect(evidence).toContain(`bench on local cannot be used any more: ${lost}`);
    expect(next).toBe("Its job is ended. Start the investigation again.");
    // It has nothing of the machine any more.
    expect((await investigateIn(lab, "What grows?", "large.json", "--compute", "local")).investigation).toMatchObject({
      outcome: "answered",
    });
  }, 900_000);

  test("has the environment that it needs, made ready first [investigate.compute]", async () => {
    for (const compute of ["local", "cluster"]) {
      const { investigation } = await investigateIn(
        lab,
        `What grows on ${compute}?`,
        "prepared.json",
        "--compute",
        compute,
      );
      expect(investigation, compute).toMatchObject({ outcome: "answered" });
    }
  }, 900_000);

  test("waits for what another one has, and gets it when that ends [investigate.compute]", async () => {
    const { number: first } = await beginIn(lab, "WAIT with all of it", "large.json", "--compute", "local");
    await hasMeasured(first);
    const { number: second } = await beginIn(lab, "What grows afterwards?", "large.json", "--compute", "local");
    await until("the second one waits", async () =>
      /bench waits for local: what it needs is in use/.test((await show(second)).investigation.waits_for ?? ""),
    );
    expect(await lab.json("investigation", "stop", String(first))).toMatchObject({ outcome: "stopped" });
    expect(await hasEnded(second)).toMatchObject({ outcome: "answered" });
  }, 900_000);

  test("runs at a scheduler that is described by commands [investigate.compute]", async () => {
    const { investigation } = await investigateIn(lab, "What grows as a job?", "good.json", "--compute", "jobs");
    expect(investigation).toMatchObject({ outcome: "answered" });
  }, 900_000);
});
