/** The program that keeps a tool server where its job runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";

/** Processes of a group that have not ended. */
const inGroup = (group: number | undefined): string[] =>
  readdirSync("/proc").filter((name) => {
    try {
      const [state, , leader] = readFileSync(`/proc/${name}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      return Number(leader) === group && state !== "Z";
    } catch {
      return false;
    }
  });

const keeper = join(import.meta.dirname, "../../packages/rigor/templates/tool-server.py");

/** Starts a keeper; what it announces, says and is. */
async function startKeeper(limits: { unattended_seconds: number; most_bytes: number }, FAULT = "") {
  const directory = mkdtempSync(join(tmpdir(), "rigor-keeper-"));
  const plan = {
    command: ["python3", join(import.meta.dirname, "measure.py"), "PORT"],
    environment: { FAULT, RIGOR_ARTIFACTS: join(directory, "artifacts"), RIGOR_TOOL_DATA: join(directory, "data") },
    port_env: "PORT",
    port_mark: "PORT",
    token: "token",
    announce: "announced",
    is_networked: false,
    ...limits,
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
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  });
  const said = { errors: "" };
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.errors += text));
  const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  const { port } = JSON.parse(line.split("\n")[0]?.slice("announced".length) ?? "") as { port: number };
  const ask = (path: string, token: string, body?: object) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
  return { child, directory, said, ask };
}

test("a tool server that nobody asks for ends by itself, and one that is asked for does not [investigate.compute-ends]", async () => {
  const { child, said, ask } = await startKeeper({ unattended_seconds: 10, most_bytes: 1e9 });
  const sign = (token: string) => ask("/.rigor/alive", token);

  const begun = performance.now();
  while (performance.now() - begun < 15_000) {
    expect((await sign("token")).status).toBe(200);
    await sleep(200);
  }
  const forgottenAt = performance.now();
  // Who does not know the token keeps nothing alive.
  const ended = once(child, "exit");
  expect((await sign("another")).status).toBe(401);
  expect(await ended).toEqual([75, null]);
  expect(performance.now() - forgottenAt).toBeGreaterThan(9_900);
  expect(said.errors).toContain("nobody has asked for 10 s, so that the tool server is ended");
  await expect.poll(() => inGroup(child.pid)).toEqual([]);
});

test("a tool server whose artifacts become too large ends, says so, and keeps them where it is [session.size] [investigate.compute-ends]", async () => {
  const { child, directory, said, ask } = await startKeeper({ unattended_seconds: 60, most_bytes: 3_000_000 }, "large");
  const ended = once(child, "exit");
  const measured = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "measure", arguments: { x: 3 } } };
  await expect.poll(async () => (await ask("/health", "token")).status).toBe(200);
  await ask("/mcp", "token", measured);
  expect(await ended).toEqual([76, null]);
  expect(said.errors).toMatch(/its artifacts take [\d.]+ GB, and may take 0\.003 GB .*: it is ended/);
  expect(readdirSync(directory).toSorted()).toEqual(["artifacts-too-large", "data"]);
});
