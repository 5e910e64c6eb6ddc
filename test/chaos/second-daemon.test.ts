import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { lockFileName } from "../../packages/rigor/src/api/contract/data-directory.ts";
import { takeOwnership } from "../../packages/rigor/src/store/ownership.ts";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../support/postgres.ts";
import { killIfThere } from "./processes.ts";
import { type Answer, eventually, experimentFile, TestLab } from "./lab.ts";

const labs: TestLab[] = [];
const databases: TestDatabase[] = [];
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.remove();
  for (const database of databases.splice(0)) await database.drop();
});

const result = `printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"\n`;

const readIfThere = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "");

function makeLab(environment: Record<string, string> = {}): TestLab {
  const lab = new TestLab({ environment });
  labs.push(lab);
  lab.commit({
    "run.sh": result,
    "experiment.yaml": experimentFile(),
  });
  return lab;
}

const daemonsOf = (lab: TestLab) =>
  lab.processes().filter((one) => one.command.some((word) => word.endsWith("/daemon/main.ts")));

/** One line that says who is there already. */
function expectRefusal({ status, stdout, stderr }: Answer, owner: RegExp): void {
  expect(status).toBe(1);
  expect(stderr).toBe("");
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: "already-running", message: expect.stringMatching(owner) as string },
  });
}

describe("a second daemon on one data directory", () => {
  test("is refused with the pid and the address of the first, which goes on [store.second-daemon] [F02]", async () => {
    const lab = makeLab();
    expect(await lab.cli("up")).toMatchObject({ status: 0 });
    const first = lab.daemonFile();
    const owner = new RegExp(`pid ${first?.pid} at ${first?.address}`);
    for (let count = 0; count < 3; count += 1) expectRefusal(await lab.startDaemon().answer, owner);
    const foreground = await lab.cli("up", "--foreground");
    expect(foreground).toMatchObject({ status: 2 });
    expect(foreground.stderr).toMatch(owner);
    expect(lab.daemonFile()).toEqual(first);
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(daemonsOf(lab).map((one) => one.pid)).toEqual([first?.pid]);
  });

  test("is never there, although twenty clients start at once in an empty directory [daemon.autostart] [F02]", async () => {
    const lab = makeLab();
    const clients = Array.from({ length: 20 }, (_, index) => lab.cli(...(index % 2 === 0 ? ["status"] : ["up"])));
    for (const answer of await Promise.all(clients)) expect(answer).toMatchObject({ status: 0, stderr: "" });
    await eventually("one daemon", () => daemonsOf(lab).length === 1);
    expect(daemonsOf(lab)[0]?.pid).toBe(lab.daemonFile()?.pid);
  });

  test("is never there after a crash either: twenty clients revive one [daemon.autostart] [F02]", async () => {
    const lab = makeLab();
    expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(killIfThere(lab.daemonFile()?.pid)).toBe(true);
    const clients = Array.from({ length: 20 }, () => lab.cli("run", "experiment.yaml"));
    for (const { status, stderr } of await Promise.all(clients)) expect(status, stderr).toBe(0);
    await eventually("one daemon", () => daemonsOf(lab).length === 1);
    expect(await lab.cli("down")).toMatchObject({ status: 0 });
    expect(await lab.differences()).toEqual([]);
  });
});

test("a daemon in the place of one that has ended waits until the system has let go of that one's lock [shared.fence]", async () => {
  const lab = makeLab();
  mkdirSync(lab.home, { mode: 0o700 });
  const lock = join(lab.home, lockFileName);
  const owner = takeOwnership(lock, () => "the one that has ended");
  const { child, answer, said } = lab.startDaemon({ RIGOR_SUCCEEDS: "1" });
  await eventually("a daemon that waits", () => said.stdout.includes("still taken") || child.exitCode !== null);
  owner.release();
  await eventually("a daemon that is ready", () => lab.daemonFile() !== null || child.exitCode !== null);
  expect(lab.daemonFile()).toMatchObject({ pid: child.pid });
  expect(await lab.cli("down")).toMatchObject({ status: 0 });
  expect(await answer).toMatchObject({ status: 0 });
});

test("a client starts another daemon where the data was taken by one that has ended [daemon.autostart]", async () => {
  const lab = makeLab();
  mkdirSync(lab.home, { mode: 0o700 });
  const owner = takeOwnership(join(lab.home, lockFileName), () => "one that was killed");
  const status = lab.cli("status");
  const log = join(lab.home, "daemon.log");
  await eventually("a daemon that is refused", () => readIfThere(log).includes("already-running"));
  owner.release();
  expect(await status).toMatchObject({ status: 0, stderr: "" });
});

describe.skipIf(testServerUrl() === undefined)("daemons on one PostgreSQL database", () => {
  async function makeShared(): Promise<{ url: string; first: TestLab; second: TestLab }> {
    const database = await createTestDatabase();
    databases.push(database);
    // A busy machine may let a daemon that lives wait for seconds before it can say so.
    const environment = { RIGOR_DATABASE_URL: database.url, RIGOR_TAKEOVER: "15" };
    return { url: database.url, first: makeLab(environment), second: makeLab(environment) };
  }

  /** Runs of the first machine that wait for a file. */
  function waitingRuns(lab: TestLab): { starts: () => number; go: () => void } {
    lab.commit({
      "run.sh": `echo started >>"${lab.directory}/starts"\nuntil [ -e "${lab.directory}/go" ]; do sleep 0.1; done\n${result}`,
      "rigor.yaml": "compute: { local: { kind: local, cpus: 2 } }\n",
    });
    const starts = () => readIfThere(join(lab.directory, "starts")).trim().split("\n").length;
    return { starts, go: () => writeFileSync(join(lab.directory, "go"), "") };
  }

  interface Status {
    daemons: { pid: number; is_this: boolean; machines: string[]; experiments: number }[];
  }

  test("share it, each with a data directory of its own, and say who drives what [store.second-daemon] [shared.status]", async () => {
    const { first, second } = await makeShared();
    for (const lab of [first, second]) expect(await lab.cli("up")).toMatchObject({ status: 0 });
    expectRefusal(await first.startDaemon().answer, new RegExp(`pid ${first.daemonFile()?.pid}`));
    await eventually("two that drive their machines", async () => {
      const { daemons } = await second.json<Status>("status");
      return daemons.length === 2 && daemons.every(({ machines }) => machines.join() === "local");
    });
    const { daemons } = await second.json<Status>("status");
    expect(daemons.map(({ pid, is_this }) => [pid, is_this])).toEqual([
      [first.daemonFile()?.pid, false],
      [second.daemonFile()?.pid, true],
    ]);
    expect((await second.cli("status")).stdout).toMatch(/\(this one\) +\d+ +local/);
    expect((await first.cli("doctor")).stdout).toMatch(/ok +daemons +.* drives local; /);
  });

  test("leave alone what runs on the machine of one that died: it ends when that one is back [shared.local] [F10]", async () => {
    const { first, second } = await makeShared();
    const { starts, go } = waitingRuns(first);
    expect(await second.cli("up")).toMatchObject({ status: 0 });
    expect(await first.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    await eventually("two runs", () => starts() === 2);
    expect(killIfThere(first.daemonFile()?.pid)).toBe(true);
    const lonely = async () => (await second.cli("doctor")).stdout;
    await eventually("nobody who drives them", async () => /nobody drives local of /.test(await lonely()));
    go();
    const { runs } = await second.json<{ runs: { state: string }[] }>("list", "small");
    expect(runs.map(({ state }) => state).toSorted()).toEqual(["active", "active", ...Array(4).fill("pending")]);
    expect(starts()).toBe(2);
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(starts()).toBe(6);
    // Whose files are elsewhere is told.
    const [run] = (await second.json<{ runs: { id: string }[] }>("list", "small")).runs;
    const there = (await second.json<{ attempt_list: { directory: string }[] }>("show", run?.id ?? "")).attempt_list;
    expect(there[0]?.directory).toContain(first.home);
  });

  test("end what is lost for good by a person's word, from any machine, and not while its daemon lives [shared.lost]", async () => {
    const { first, second } = await makeShared();
    const { starts, go } = waitingRuns(first);
    expect(await second.cli("up")).toMatchObject({ status: 0 });
    expect(await first.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    await eventually("two runs", () => starts() === 2);
    const refused = await second.cli("cancel", "small", "--lost", "-m", "burnt down");
    expect(refused).toMatchObject({ status: 2 });
    expect(refused.stderr).toMatch(/local is the machine of the daemon on .* which lives/);
    expect(killIfThere(first.daemonFile()?.pid)).toBe(true);
    const cancel = () => second.cli("cancel", "small", "--lost", "-m", "burnt down");
    await eventually("an end", async () => (await cancel()).status === 0);
    const { runs } = await second.json<{ runs: { id: string; state: string }[] }>("list", "small");
    expect(new Set(runs.map(({ state }) => state))).toEqual(new Set(["cancelled"]));
    const shown = await second.json<{ attempt_list: { state: string; evidence: string }[] }>("show", runs[0]?.id ?? "");
    expect(shown.attempt_list).toMatchObject([
      { state: "lost", evidence: "A person says that its machine is lost: burnt down" },
    ]);
    go();
  });

  test("go on when their connections to the server break [shared.fence]", async () => {
    const { url, first } = await makeShared();
    expect(await first.cli("up")).toMatchObject({ status: 0 });
    const pid = first.daemonFile()?.pid;
    await breakingConnections(url, (breakNow) => breakNow());
    await answers(first, "run", "experiment.yaml");
    expect(first.daemonFile()?.pid).toBe(pid);
  });

  test("go on when their connections break while they take up what was there before [shared.fence]", async () => {
    const { url, first } = await makeShared();
    await breakingConnections(url, async (breakNow) => {
      for (let start = 0; start < 4; start += 1) {
        const up = first.cli("up");
        await eventually("a daemon that says where it is", () => first.daemonFile() !== null);
        const pid = first.daemonFile()?.pid;
        for (let breaks = 0; breaks < 8; breaks += 1) await breakNow();
        await up;
        await answers(first, "status");
        expect(first.daemonFile()?.pid).toBe(pid);
        expect(await first.cli("down")).toMatchObject({ status: 0 });
      }
    });
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
  });
});

/** A question that is cut off is asked again. */
function answers(lab: TestLab, ...words: string[]): Promise<void> {
  return eventually(`an answer to ${words[0]}`, async () => (await lab.cli(...words)).status === 0);
}

/** Ends, each time it is asked, all connections to a database but its own. */
async function breakingConnections(url: string, work: (breakNow: () => Promise<void>) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(async () => {
      await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid != pg_backend_pid()",
      );
    });
  } finally {
    await client.end();
  }
}
