import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../../../../test/support/postgres.ts";
import { Drivers } from "./drivers.ts";
import { openPostgresStore } from "./open.ts";
import { compareWithLog } from "./rebuild.ts";
import type { LoggedEvent, Store } from "./store.ts";
import { append, runCreated } from "./suite.testing.ts";

const patience = 2;
const resource = "issue:7";

describe.skipIf(testServerUrl() === undefined)("who drives what", () => {
  let database: TestDatabase;
  const stores: Store[] = [];
  const members: Drivers[] = [];
  const processes: ChildProcess[] = [];

  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    for (const child of processes.splice(0)) child.kill("SIGKILL");
    for (const member of members.splice(0)) await member.leave();
    for (const store of stores.splice(0)) await store.close();
    await database.drop();
  });

  async function join(member: string, seconds = patience): Promise<{ store: Store; drivers: Drivers }> {
    const store = await openPostgresStore(database.url);
    const facts = { member, host: "test", pid: process.pid, data_directory: `/${member}`, version: "0.0.0" };
    const options = { patience: seconds, onLost: () => undefined };
    const drivers = await Drivers.join(store, database.url, facts, options);
    stores.push(store);
    members.push(drivers);
    return { store, drivers };
  }

  /** A daemon as a process of its own, and what it has said so far. */
  function start(member: string, ...options: string[]): { child: ChildProcess; said: string[] } {
    const script = fileURLToPath(new URL("driver.testing.ts", import.meta.url));
    const words = [script, database.url, member, resource, String(patience), ...options];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    processes.push(child);
    const said: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => said.push(line));
    return { child, said };
  }

  test("one daemon drives a resource, and each change of the daemon raises its fence [shared.one-driver]", async () => {
    const [{ drivers: one }, { drivers: other }] = [await join("one"), await join("other")];
    expect(await one.take([resource])).toEqual([resource]);
    expect(await other.take([resource])).toEqual([]);
    expect(one.fenceOf(resource)).toBe(1);
    await one.release([resource]);
    expect(one.drives(resource)).toBe(false);
    const takes = await Promise.all([one, other, one, other].map((each) => each.take([resource])));
    expect(takes.flat()).toEqual([resource]);
    expect(Math.max(one.fenceOf(resource) ?? 0, other.fenceOf(resource) ?? 0)).toBe(2);
    const [driver] = await one.roster.drivers([resource]);
    expect(driver).toMatchObject({ resource, fence: 2, home: "one", is_driven: true });
  });

  test("one that left in good order can come back before others take its place [shared.take-over]", async () => {
    const { drivers: first } = await join("first");
    await first.take([resource]);
    await first.leave();
    const { drivers: other } = await join("other");
    expect(await other.take([resource])).toEqual([]);
    const { drivers: again } = await join("first");
    expect(await again.take([resource])).toEqual([resource]);
    await again.leave();
    await until(async () => (await other.take([resource])).length > 0);
    expect(other.fenceOf(resource)).toBe(3);
  });

  test("what a daemon that was killed drove is taken over, after its time [shared.take-over]", async () => {
    const { child, said } = start("victim");
    await until(() => said.some((line) => line.startsWith("wrote")));
    const { drivers } = await join("other");
    expect(await drivers.take([resource])).toEqual([]);
    child.kill("SIGKILL");
    await until(async () => (await drivers.take([resource])).length > 0);
    expect(drivers.fenceOf(resource)).toBe(2);
  });

  test("what a daemon writes after another has taken over is refused, and the log is whole [shared.fence]", async () => {
    const { child, said } = start("victim");
    await until(() => said.some((line) => line.startsWith("wrote")));
    child.kill("SIGSTOP");
    const { store, drivers } = await join("other");
    // Where it was stopped in the middle of a turn, the server ends that first.
    await until(async () => (await drivers.take([resource])).length > 0, 60_000);
    const position = await store.lastPosition();
    child.kill("SIGCONT");
    await until(() => said.includes("lost") && said.some((line) => line.startsWith("refused")));
    expect(await store.lastPosition()).toBe(position);
    expect(await compareWithLog(store)).toEqual([]);
    const again = start("victim");
    await sleep(500);
    expect(again.said).toEqual([]);
  });

  test("one that stops in the middle of a turn keeps nobody from writing, and its turn is undone [shared.fence]", async () => {
    const { child, said } = start("victim", "freeze");
    await until(() => said.some((line) => line.startsWith("driving")));
    const { store, drivers } = await join("other", 60);
    await until(async () => (await drivers.take([resource])).length > 0, 60_000);
    await append(store, [runCreated("after")]);
    child.kill("SIGCONT");
    await until(() => said.some((line) => line.startsWith("refused")));
    expect(said.filter((line) => line.startsWith("wrote"))).toEqual([]);
    expect((await store.eventsAfter(0, 10)).map(({ entity }) => entity)).toEqual(["after"]);
  });

  test("is told of what others write, once and in order, and of its own at once", async () => {
    const [{ store: one }, { store: other }] = [await join("one"), await join("other")];
    const seen: LoggedEvent[] = [];
    one.subscribe((events) => seen.push(...events));
    await one.follow();
    await append(one, [runCreated("a")]);
    expect(seen.map(({ entity }) => entity)).toEqual(["a"]);
    await append(other, [runCreated("b")]);
    await append(one, [runCreated("c")]);
    await append(other, [runCreated("d")]);
    await one.follow();
    await one.follow();
    expect(seen.map(({ entity }) => entity)).toEqual(["a", "c", "b", "d"]);
  });
});

async function until(holds: () => boolean | Promise<boolean>, patienceMs = 90_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it did not come about in time");
    await sleep(50);
  }
}
