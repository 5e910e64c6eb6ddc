import { spawn, spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { processStart, withFileLock } from "./file-lock.ts";
import { scratchDirectory } from "./scratch-repository.testing.ts";

/** Runs several holders at once and returns the largest number that held the lock together. */
async function mostAtOnce(path: string, count: number): Promise<number> {
  let [holding, most] = [0, 0];
  const work = async () => {
    holding += 1;
    most = Math.max(most, holding);
    await sleep(5);
    holding -= 1;
  };
  await Promise.all(Array.from({ length: count }, () => withFileLock(path, work, { pollMs: 5 })));
  return most;
}

test("one holder at a time, and nothing is left", async () => {
  const directory = scratchDirectory();
  expect(await mostAtOnce(join(directory, "lock"), 10)).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
});

test("the lock of a dead process is taken over by one of many", async () => {
  const directory = scratchDirectory();
  const { pid } = spawnSync("true");
  writeFileSync(join(directory, "lock"), JSON.stringify({ host: hostname(), pid, started: null }));
  expect(await mostAtOnce(join(directory, "lock"), 10)).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
});

test("a process that got the id of a dead owner does not keep the lock alive", async () => {
  const path = join(scratchDirectory(), "lock");
  writeFileSync(path, JSON.stringify({ host: hostname(), pid: process.pid, started: "another start" }));
  expect(await withFileLock(path, async () => "mine")).toBe("mine");
});

test("a living process keeps its lock until it dies", async () => {
  const path = join(scratchDirectory(), "lock");
  const script = `import { withFileLock } from ${JSON.stringify(join(import.meta.dirname, "file-lock.ts"))};
    setInterval(() => {}, 1000);
    await withFileLock(${JSON.stringify(path)}, () => { console.log("held"); return new Promise(() => {}); });`;
  const holder = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  const messages: string[] = [];
  let acquired = false;
  const waiting = withFileLock(path, async () => (acquired = true), { pollMs: 10, onWait: (m) => messages.push(m) });
  await expect.poll(() => messages).toEqual([`waiting for process ${holder.pid} on ${hostname()}`]);
  await sleep(300);
  expect(acquired).toBe(false);
  expect(messages).toHaveLength(1);
  const impatient = withFileLock(path, async () => true, { pollMs: 10, signal: AbortSignal.timeout(50) });
  await expect(impatient).rejects.toMatchObject({ name: "TimeoutError" });
  holder.kill("SIGKILL");
  expect(await waiting).toBe(true);
});

test("an error in the work releases the lock", async () => {
  const path = join(scratchDirectory(), "lock");
  await expect(withFileLock(path, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(await withFileLock(path, async () => 1)).toBe(1);
});

test("a process is known by when it started; a dead one is not", async () => {
  expect(await processStart(process.pid)).toBe(await processStart(process.pid));
  expect(await processStart(spawnSync("true").pid)).toBeNull();
});
