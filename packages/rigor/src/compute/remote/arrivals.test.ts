import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LocalShell } from "../../hosts/local-shell.ts";
import type { Answer, ScriptOptions } from "../../hosts/shell.ts";
import type { ExitRecord } from "../attempt/job.ts";
import { RemoteAttempts } from "./remote-attempts.ts";

/** A shell that counts what it is asked, and does something before it answers. */
class WatchedShell extends LocalShell {
  calls: string[] = [];
  before: (script: string) => void = () => undefined;

  override run(script: string, options?: ScriptOptions): Promise<Answer> {
    this.calls.push(script);
    this.before(script);
    return super.run(script, options);
  }
}

let folder: string;
let shell: WatchedShell;
let attempts: RemoteAttempts;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-arrivals-"));
  shell = new WatchedShell();
  const dataDirectory = join(folder, "data");
  attempts = new RemoteAttempts({ shell, directory: join(folder, "host"), dataDirectory });
});
afterEach(async () => {
  await attempts.close();
  rmSync(folder, { recursive: true });
});

const handleOf = (number: number) => ({ attempt: `attempt-${number}`, run: "00run" });
const onHost = (number: number, file: string) => join(folder, "host/attempts/00", `attempt-${number}`, file);
const here = (number: number, file: string) => join(folder, "data/attempts/00", `attempt-${number}`, file);

/** An attempt that has ended on the host and left an output of some bytes. */
function end(number: number, bytes: number, limits: { most_output?: number } = {}): void {
  const { attempt } = handleOf(number);
  const times = {
    oom_kills: null,
    memory_peak: null,
    gpu_memory_peak: null,
    restarts: 0,
    resumed: false,
    code_changed: 0,
    code_added: 0,
    duration: 1,
    started_at: 1,
    finished_at: 2,
  };
  const exit: ExitRecord = { attempt, code: 0, signal: null, reason: "exited", ...times };
  mkdirSync(onHost(number, "output"), { recursive: true });
  writeFileSync(onHost(number, "output/model"), "m".repeat(bytes));
  writeFileSync(onHost(number, "stdout.log"), `${number}\n`);
  writeFileSync(onHost(number, "exit.json"), `${JSON.stringify(exit)}\n`);
  mkdirSync(here(number, "output"), { recursive: true });
  writeFileSync(here(number, "spec.json"), JSON.stringify({ outputs: ["model"], ...limits }));
}

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
const statesOf = async (count: number) =>
  [...(await attempts.look(numbers(count).map(handleOf))).values()].map(({ state }) => state);
async function arrived(count: number): Promise<void> {
  await expect.poll(() => statesOf(count)).toEqual(numbers(count).map(() => "ended"));
}

test("200 attempts that end at once arrive in a few calls [job.logs-whole]", async () => {
  for (const number of numbers(200)) end(number, 100);
  await attempts.look(numbers(200).map(handleOf));
  shell.calls = [];
  const heard = new Set<string>();
  attempts.onArrival((attempt) => heard.add(attempt));
  await expect.poll(() => heard.size).toBe(200);
  expect(shell.calls.length).toBeLessThanOrEqual(2);
  await arrived(200);
  for (const number of numbers(200)) {
    expect(readFileSync(here(number, "stdout.log"), "utf8")).toBe(`${number}\n`);
    expect(readFileSync(here(number, "output/model"), "utf8")).toHaveLength(100);
  }
});

test("what has arrived is told without a question to its host", async () => {
  end(0, 10);
  await arrived(1);
  shell.calls = [];
  expect(await statesOf(1)).toEqual(["ended"]);
  expect(shell.calls).toEqual([]);
  rmSync(here(0, "exit.json"));
  await arrived(1);
  expect(shell.calls).not.toEqual([]);
});

test("a large one holds up no small one, and arrives whole", async () => {
  end(0, 40 * 2 ** 20);
  end(1, 10);
  const order: string[] = [];
  attempts.onArrival((attempt) => order.push(attempt));
  await arrived(2);
  expect(order).toEqual(["attempt-1", "attempt-0"]);
  expect(readFileSync(here(0, "output/model")).equals(readFileSync(onHost(0, "output/model")))).toBe(true);
});

test("a file that becomes shorter meanwhile, or an attempt that somebody removed here, holds up no other", async () => {
  for (const number of numbers(3)) end(number, 1_000);
  rmSync(here(1, ""), { recursive: true });
  shell.before = (script) => {
    if (script.includes("head -c")) truncateSync(onHost(0, "output/model"), 10);
  };
  await arrived(3);
  expect(readFileSync(here(2, "output/model"), "utf8")).toHaveLength(1_000);
  expect(readFileSync(here(2, "stdout.log"), "utf8")).toBe("2\n");
});

test("an output above the bytes that it may take stays on the host, and its attempt arrives [session.size]", async () => {
  end(0, 1_000, { most_output: 999 });
  end(1, 1_000, { most_output: 1_000 });
  await arrived(2);
  expect(readFileSync(here(0, "stdout.log"), "utf8")).toBe("0\n");
  expect(existsSync(here(0, "output/model"))).toBe(false);
  expect(readFileSync(here(1, "output/model"), "utf8")).toHaveLength(1_000);
});
