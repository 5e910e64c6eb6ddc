/** The program that keeps a tool server where its job runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";

const keeper = join(import.meta.dirname, "../../packages/rigor/templates/tool-server.py");

test("a tool server that nobody asks for ends by itself, and one that is asked for does not [investigate.compute-ends]", async () => {
  const directory = mkdtempSync(join(tmpdir(), "rigor-keeper-"));
  const plan = {
    command: ["python3", join(import.meta.dirname, "measure.py"), "PORT"],
    environment: {},
    port_env: "PORT",
    port_mark: "PORT",
    token: "token",
    announce: "announced",
    is_networked: false,
    unattended_seconds: 3,
    data: join(directory, "data"),
    artifacts: join(directory, "artifacts"),
    previous_data: null,
  };
  const child = spawn("python3", [keeper], {
    detached: true,
    env: { PATH: process.env["PATH"], RIGOR_JOB: directory, RIGOR_TOOL_PLAN: JSON.stringify(plan) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  const { port } = JSON.parse(line.split("\n")[0]?.slice("announced".length) ?? "") as { port: number };
  const sign = (token: string) =>
    fetch(`http://127.0.0.1:${port}/.rigor/alive`, { headers: { authorization: `Bearer ${token}` } });

  const begun = performance.now();
  while (performance.now() - begun < 8_000) {
    expect((await sign("token")).status).toBe(200);
    await sleep(200);
  }
  const forgottenAt = performance.now();
  // Who does not know the token keeps nothing alive.
  const ended = once(child, "exit");
  expect((await sign("another")).status).toBe(401);
  expect(await ended).toEqual([75, null]);
  expect(performance.now() - forgottenAt).toBeGreaterThan(2_900);
  expect(errors).toContain("nobody has asked for 3 s, so that the tool server is ended");
  expect(() => process.kill(-(child.pid ?? 0), 0)).toThrow("ESRCH");
}, 60_000);
