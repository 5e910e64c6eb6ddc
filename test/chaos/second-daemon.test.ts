import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../support/postgres.ts";
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
function expectRefusal({ status, stdout, stderr }: Answer, owner: RegExp, code = "already-running"): void {
  expect(status).toBe(1);
  expect(stderr).toBe("");
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code, message: expect.stringMatching(owner) as string },
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

  test(
    "is never there, although twenty clients start at once in an empty directory [daemon.autostart] [F02]",
    { timeout: 120_000 },
    async () => {
      const lab = makeLab();
      const clients = Array.from({ length: 20 }, (_, index) => lab.cli(...(index % 2 === 0 ? ["status"] : ["up"])));
      for (const answer of await Promise.all(clients)) expect(answer).toMatchObject({ status: 0, stderr: "" });
      await eventually("one daemon", () => daemonsOf(lab).length === 1);
      expect(daemonsOf(lab)[0]?.pid).toBe(lab.daemonFile()?.pid);
    },
  );

  test(
    "is never there after a crash either: twenty clients revive one [daemon.autostart] [F02]",
    { timeout: 120_000 },
    async () => {
      const lab = makeLab();
      expect(await lab.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
      process.kill(lab.daemonFile()?.pid ?? 0, "SIGKILL");
      const clients = Array.from({ length: 20 }, () => lab.cli("run", "experiment.yaml"));
      for (const answer of await Promise.all(clients)) expect(answer).toMatchObject({ status: 0 });
      await eventually("one daemon", () => daemonsOf(lab).length === 1);
      expect(await lab.cli("down")).toMatchObject({ status: 0 });
      expect(await lab.differences()).toEqual([]);
    },
  );
});

describe.skipIf(testServerUrl() === undefined)("a second daemon on one PostgreSQL database", () => {
  async function makeShared(): Promise<{ url: string; first: TestLab; second: TestLab }> {
    const database = await createTestDatabase();
    databases.push(database);
    const environment = { RIGOR_DATABASE_URL: database.url };
    return { url: database.url, first: makeLab(environment), second: makeLab(environment) };
  }

  test("is refused although its data directory is another one, until the first has ended [store.second-daemon] [F02]", async () => {
    const { first, second } = await makeShared();
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    const file = first.daemonFile();
    const owner = new RegExp(`pid ${file?.pid} on .* at ${file?.address}`);
    expectRefusal(await second.startDaemon().answer, owner, "database");
    const begun = performance.now();
    const refused = await second.cli("status");
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(refused).toMatchObject({ status: 2 });
    expect(refused.stderr).toMatch(owner);
    expect(await first.cli("status")).toMatchObject({ status: 0 });
    expect(await first.cli("down")).toMatchObject({ status: 0 });
    expect(await second.cli("status")).toMatchObject({ status: 0 });
  });

  test("is refused while runs are under way whose files lie in the data directory of the first [store.second-daemon] [F10]", async () => {
    const { first, second } = await makeShared();
    first.commit({
      "run.sh": `echo started >>"${first.directory}/starts"\nuntil [ -e "${first.directory}/go" ]; do sleep 0.1; done\n${result}`,
    });
    expect(await first.cli("run", "experiment.yaml", "--detach")).toMatchObject({ status: 0 });
    const starts = () => readIfThere(join(first.directory, "starts")).length;
    await eventually("a run", () => starts() > 0);
    process.kill(first.daemonFile()?.pid ?? 0, "SIGKILL");
    const before = starts();
    const refused = await second.cli("status");
    expect(refused).toMatchObject({ status: 2 });
    expect(refused.stderr).toContain(`another data directory: ${first.home} on ${hostname()}.\n`);
    expect(refused.stderr).toContain(`RIGOR_HOME=${first.home}`);
    expect(starts()).toBe(before);
    writeFileSync(join(first.directory, "go"), "");
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(await first.cli("down")).toMatchObject({ status: 0 });
    expect(await second.cli("status")).toMatchObject({ status: 0 });
  });

  test("becomes the owner when the first is killed [store.second-daemon]", async () => {
    const { first, second } = await makeShared();
    expect(await first.cli("up")).toMatchObject({ status: 0 });
    process.kill(first.daemonFile()?.pid ?? 0, "SIGKILL");
    expect(await second.cli("status")).toMatchObject({ status: 0 });
  });

  test("cannot come into being by a lost connection: the first ends at once, and its jobs go on [store.second-daemon]", async () => {
    const { url, first } = await makeShared();
    expect(await first.cli("up")).toMatchObject({ status: 0 });
    const pid = first.daemonFile()?.pid;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
    );
    await client.end();
    await eventually("an end of the daemon", () => daemonsOf(first).every((one) => one.pid !== pid), 5_000);
    // The next client starts another one.
    expect(await first.cli("run", "experiment.yaml")).toMatchObject({ status: 0 });
    expect(first.daemonFile()?.pid).not.toBe(pid);
    expect(await first.cli("down")).toMatchObject({ status: 0 });
  });
});
