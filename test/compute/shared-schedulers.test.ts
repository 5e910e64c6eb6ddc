/** A cluster whose daemon is killed while its jobs run and wait: another daemon of the lab takes it over. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../packages/rigor/src/store/open.ts";
import { compareWithLog } from "../../packages/rigor/src/store/rebuild.ts";
import type { Store } from "../../packages/rigor/src/store/store.ts";
import { eventually } from "../chaos/lab.ts";
import { experiment, UserLab } from "../e2e/lab.ts";
import { createTestDatabase, testServerUrl, type TestDatabase } from "../support/postgres.ts";
import { sites, type Site } from "./sites.testing.ts";

/** Says that it starts, and in which job of the scheduler; waits until it may go on. */
const script = `
attempt=\${RIGOR_OUTPUT%/output} attempt=\${attempt##*/}
printf '%s\\n' "$attempt" >>"$1/started"
until [ -e "$1/go" ]; do sleep 0.2; done
printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

describe.skipIf(testServerUrl() === undefined).each(sites)("$name that two machines of a lab use", ({ start }) => {
  let site: Site;
  let database: TestDatabase;
  let store: Store;
  let first: UserLab;
  let second: UserLab;

  beforeEach(async () => {
    site = await start();
    database = await createTestDatabase();
    store = await openPostgresStore(database.url);
    [first, second] = [new UserLab().init(), new UserLab().init()];
    for (const [lab, name] of [
      [first, "first"],
      [second, "second"],
    ] as const) {
      Object.assign(lab.environment, { RIGOR_DATABASE_URL: database.url, RIGOR_TAKEOVER: "15" });
      lab.commit({
        "run.sh": script,
        "rigor.yaml": JSON.stringify({ compute: { cluster: site.compute } }),
        "cluster.yaml": experiment({
          name,
          // Runs are shared by what they are: those of each machine are others.
          tasks: { [name]: {} },
          compute: ["cluster"],
          code: ["run.sh"],
          seeds: [1, 2, 3],
          run: ["sh", "run.sh", site.place],
        }),
      });
    }
  });
  afterEach(async () => {
    writeFileSync(join(site.place, "go"), "");
    await second.close();
    await first.close();
    await store.close();
    await database.drop();
    await site.stop();
  });

  const count = async (kind: string): Promise<number> =>
    (await store.db.selectFrom("events").select("entity").where("kind", "=", kind).execute()).length;

  function started(): string[] {
    const file = join(site.place, "started");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }

  async function driver(): Promise<number | undefined> {
    const rows = await store.db
      .selectFrom("drivers")
      .innerJoin("daemons", "daemons.id", "drivers.daemon")
      .select(["resource", "pid"])
      .where("ended_at", "is", null)
      .execute();
    return rows.find(({ resource }) => resource.startsWith("compute:") && !resource.includes("local"))?.pid;
  }

  test("its jobs are adopted by the other one, and none is submitted or run twice [shared.take-over] [shared.one-driver]", async () => {
    expect((await second.rigor("up")).status).toBe(0);
    const begun = await first.rigor("run", "cluster.yaml", "--detach");
    expect(begun.status, begun.text).toBe(0);
    await eventually("all jobs are at the scheduler", async () => (await count("attempt.submitted")) === 6, 120_000);
    await eventually("two of them run", () => started().length >= 2, 120_000);
    const killed = first.daemonPid() ?? 0;
    expect(await driver()).toBe(killed);
    const before = site.submissions();
    expect(before.size).toBeGreaterThan(0);

    process.kill(killed, "SIGKILL");
    await eventually("all are adopted", async () => (await count("attempt.adopted")) === 6, 120_000);
    expect(await driver()).toBe(second.daemonPid());
    writeFileSync(join(site.place, "go"), "");
    const done = async () =>
      (await store.db.selectFrom("runs").select("id").where("state", "=", "done").execute()).length;
    await eventually("its runs", async () => (await done()) === 6, 240_000);
    expect(site.submissions()).toEqual(before);
    expect([...before.values()].every((times) => times === 1)).toBe(true);

    // What the second starts there itself goes its way, and the first comes back to decide.
    const own = await second.rigor("run", "cluster.yaml");
    expect(own.status, own.text).toBe(0);
    const back = await first.rigor("run", "cluster.yaml");
    expect(back.status, back.text).toBe(0);
    expect(started()).toHaveLength(12);
    expect(new Set(started()).size).toBe(12);
    expect(await count("attempt.queued")).toBe(12);
    expect(await compareWithLog(store)).toEqual([]);
  }, 900_000);
});
