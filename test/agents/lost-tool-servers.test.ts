/** A tool server on a machine that falls silent and stays so, with a patience that a test can wait for. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { until, UserLab } from "../e2e/lab.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import { beginIn, investigator, measuringOn, showIn } from "./investigating.testing.ts";
import { claudeCode } from "./programs.ts";

const isMissing = claudeCode === null || sshMissing() !== null;
let lab: UserLab;
let model: AnthropicServer;
let hosts: SshLab;

beforeAll(async () => {
  if (isMissing) return;
  hosts = await startSshHosts({ lab1: {} });
  lab = new UserLab().init();
  model = await AnthropicServer.start(investigator(() => lab.directory));
  Object.assign(lab.environment, {
    PATH: `${dirname(claudeCode ?? "")}:${lab.environment["PATH"]}`,
    RIGOR_TOOL_PATIENCE: "20",
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: "sk-ant-key-of-the-user-0123456789",
  });
  lab.commit(measuringOn(hosts));
}, 180_000);

afterAll(async () => {
  if (isMissing) return;
  await lab.close();
  await model.close();
  await hosts.stop();
});

describe.skipIf(isMissing)("a tool server whose machine falls silent", () => {
  test("counts as lost after a while, which ends the investigation, and ends by itself [investigate.compute-ends] [F41]", async () => {
    const { number, directory } = await beginIn(lab, "WAIT for ever", "tools.json", "--compute", "lab1");
    await until("it has measured", () => existsSync(join(directory, "artifacts/curve.csv")), 120_000);
    await hosts.host("lab1").freeze();
    await until("it has ended", async () => (await showIn(lab, number)).investigation.state === "ended", 180_000);
    const { outcome, evidence, next } = (await showIn(lab, number)).investigation;
    expect({ outcome, evidence, next }).toEqual({
      outcome: "failed",
      evidence: expect.stringMatching(/bench.*lab1 has not been reached for 20 seconds/s),
      next: expect.stringContaining("tools/bench*.log"),
    });
    await hosts.host("lab1").thaw();
    const left = () => hosts.host("lab1").run("ps -eo args | grep -c '[m]easure.py\\|[t]ool-server.py' || true");
    await until("nothing of it runs there", async () => (await left()).trim() === "0", 120_000);
  }, 480_000);

  test("is waited for no longer than that before it is there [investigate.compute-ends]", async () => {
    await hosts.host("lab1").freeze();
    const { number } = await beginIn(lab, "What grows?", "tools.json", "--compute", "lab1");
    await until("it has ended", async () => (await showIn(lab, number)).investigation.state === "ended", 240_000);
    await hosts.host("lab1").thaw();
    expect((await showIn(lab, number)).investigation).toMatchObject({ outcome: "failed" });
  }, 480_000);
});
