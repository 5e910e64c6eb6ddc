import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely, sql } from "kysely";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openSqlite, sqliteDialect } from "./dialects/sqlite.ts";
import { ingestMetricPoints } from "./metrics.ts";
import { openSqliteStore } from "./open.ts";
import { takeOwnership } from "./ownership.ts";
import { compareWithLog, rebuild } from "./rebuild.ts";
import type { Store } from "./store.ts";
import { append, contentOf, runCreated, startWriter } from "./suite.testing.ts";
import { storeSuite } from "./store.suite.ts";
import type { Database } from "./tables.ts";
import { Turn } from "./turn.ts";

const scratch = (): string => mkdtempSync(join(tmpdir(), "rigor-store-"));

storeSuite("SQLite", () => {
  const directory = scratch();
  const target = join(directory, "rigor.db");
  return Promise.resolve({
    target,
    open: () => openSqliteStore(target),
    connect: () => Promise.resolve(new Kysely<Database>({ dialect: sqliteDialect(openSqlite(target), new Turn()) })),
    drop: () => Promise.resolve(rmSync(directory, { recursive: true, force: true })),
  });
});

let directory: string;
let file: string;

beforeEach(() => {
  directory = scratch();
  file = join(directory, "rigor.db");
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const manyRuns = (count: number, prefix = "r"): ReturnType<typeof runCreated>[] =>
  Array.from({ length: count }, (_, index) => runCreated(`${prefix}${index}`, index));

async function filledFile(): Promise<void> {
  const store = await openSqliteStore(file);
  await append(store, manyRuns(300));
  await store.close();
}

/** Opening is refused with this message, and no byte of the file changes. */
async function expectRefused(message: RegExp): Promise<void> {
  const before = readFileSync(file);
  await expect(openSqliteStore(file)).rejects.toMatchObject({
    name: "RigorError",
    code: "database",
    message: expect.stringMatching(message) as string,
    next: expect.any(String) as string,
  });
  expect(readFileSync(file).equals(before)).toBe(true);
}

describe.skipIf(spawnSync("strace", ["--version"]).status !== 0)("what is on the disk", () => {
  test.each([
    { durability: "at-once", least: 40, most: Number.POSITIVE_INFINITY },
    { durability: "soon", least: 1, most: 20 },
  ] as const)(
    "40 turns that are durable $durability flush the journal at least $least times, at most $most [store.durable]",
    async ({ durability, least, most }) => {
      const directory = scratch();
      const target = join(directory, "rigor.db");
      await (await openSqliteStore(target)).close();
      const calls = join(directory, "calls");
      const { child, acknowledged, ended } = startWriter(target, "w", 40, durability, [
        ...(["strace", "--follow-forks", "--trace=fsync,fdatasync", "--decode-fds=path"] as const),
        ...[`--output=${calls}`, process.execPath],
      ]);
      await ended;
      expect(child.exitCode).toBe(0);
      expect(acknowledged).toHaveLength(40);
      const flushes = readFileSync(calls, "utf8").match(/sync\(\d+<[^>]*rigor\.db-wal>/g) ?? [];
      expect(flushes.length).toBeGreaterThanOrEqual(least);
      expect(flushes.length).toBeLessThanOrEqual(most);
      rmSync(directory, { recursive: true });
    },
  );
});

describe("files that are not opened", () => {
  test("a file with foreign bytes in its middle [store.damaged] [F03]", async () => {
    await filledFile();
    const bytes = readFileSync(file);
    for (let index = 0; index < 6 * 4_096; index++) bytes[8 * 4_096 + index] = (index * 197 + 31) % 256;
    writeFileSync(file, bytes);
    await expectRefused(/is damaged; it was left untouched/);
  });

  test.each([0.9, 0.5, 0.1])("a file of which only %f is left [store.damaged] [F03]", async (part) => {
    await filledFile();
    truncateSync(file, Math.floor(statSync(file).size * part));
    await expectRefused(/is damaged; it was left untouched/);
  });

  test("a large file, of which only the tables of decisions are checked [store.damaged] [F03]", async () => {
    await filledFile();
    const large = new DatabaseSync(file);
    large.exec("insert into meta values ('padding', hex(zeroblob(40000000)))");
    large.close();
    const store = await openSqliteStore(file);
    expect(await store.lastPosition()).toBe(300);
    await store.close();
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 8 * 4_096, 60 * 4_096);
    writeFileSync(file, bytes);
    await expectRefused(/is damaged; it was left untouched/);
  });

  test("an empty file [store.damaged] [F03]", async () => {
    writeFileSync(file, "");
    await expectRefused(/is damaged; it was left untouched/);
  });

  test("a file that is no database [store.damaged] [F03]", async () => {
    writeFileSync(file, '{ "runs": [] }\n'.repeat(1_000));
    await expectRefused(/is not a Rigor database/);
  });

  test.each(["create table meta (id integer)", "create table bookmarks (url text)", "pragma user_version = 3"])(
    "a database of another program: %s [store.damaged] [F03]",
    async (statement) => {
      const other = new DatabaseSync(file);
      other.exec(statement);
      other.close();
      await expectRefused(/is a database of another program/);
    },
  );

  test("a database of a newer program [store.damaged]", async () => {
    await filledFile();
    const newer = new DatabaseSync(file);
    newer.exec("update meta set value = '99' where key = 'schema_version'");
    newer.close();
    await expectRefused(/has schema 99, made by a newer Rigor/);
  });

  test("a database that is gone while its journal is there [F03]", async () => {
    const store = await openSqliteStore(file);
    await append(store, manyRuns(3));
    const journal = readFileSync(`${file}-wal`);
    await store.close();
    rmSync(file);
    writeFileSync(`${file}-wal`, journal);
    await expect(openSqliteStore(file)).rejects.toMatchObject({
      code: "database",
      message: expect.stringContaining("is gone") as string,
    });
    expect(readFileSync(`${file}-wal`).equals(journal)).toBe(true);
  });

  test("damage that shows later names itself", async () => {
    await filledFile();
    const store = await openSqliteStore(file);
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 4_096);
    writeFileSync(file, bytes);
    const reading = rebuild(store);
    await expect(reading).rejects.toMatchObject({ code: "database", message: "The database is damaged." });
    await store.close().catch(() => undefined);
  });

  test("a directory that does not exist, or stands under a file, gives one message [storage.read-only]", async () => {
    writeFileSync(join(directory, "plain"), "");
    for (const path of [join(directory, "none", "rigor.db"), join(directory, "plain", "rigor.db"), directory]) {
      await expect(openSqliteStore(path)).rejects.toMatchObject({ name: "RigorError", code: "storage" });
    }
  });

  test("creating leaves nothing but the database", async () => {
    await (await openSqliteStore(file)).close();
    expect(readdirSync(directory)).toEqual(["rigor.db"]);
  });
});

/** Withholds the right to write, from root too; false where this machine cannot. */
function writeProtect(path: string, on: boolean): boolean {
  if (process.getuid?.() !== 0) {
    const mode = statSync(path).isDirectory() ? 0o700 : 0o600;
    chmodSync(path, on ? mode & 0o500 : mode);
    return true;
  }
  try {
    execFileSync("chattr", [on ? "+i" : "-i", path], { stdio: "pipe" });
    return true;
  } catch {
    // Not every file system and container knows immutable files.
    return false;
  }
}

const canProtect = ((): boolean => {
  const folder = scratch();
  const probe = join(folder, "probe");
  writeFileSync(probe, "");
  const possible = writeProtect(probe, true);
  writeProtect(probe, false);
  rmSync(folder, { recursive: true });
  return possible;
})();

describe.skipIf(!canProtect)("storage that cannot be written", () => {
  test("a read-only directory, with and without a database in it [storage.read-only]", async () => {
    for (const fill of [false, true]) {
      if (fill) await filledFile();
      writeProtect(directory, true);
      try {
        await expect(openSqliteStore(file)).rejects.toMatchObject({
          code: "storage",
          message: expect.stringContaining(file) as string,
        });
        expect(() => takeOwnership(join(directory, "owner"), () => "")).toThrow(
          expect.objectContaining({ code: "storage" }),
        );
      } finally {
        writeProtect(directory, false);
      }
    }
    const store = await openSqliteStore(file);
    expect(await store.lastPosition()).toBe(300);
    await store.close();
  });

  test("a read-only file [storage.read-only]", async () => {
    await filledFile();
    writeProtect(file, true);
    try {
      await expect(openSqliteStore(file)).rejects.toMatchObject({
        code: "storage",
        message: expect.stringContaining(file) as string,
      });
    } finally {
      writeProtect(file, false);
    }
    await (await openSqliteStore(file)).close();
  });
});

describe("a full disk", () => {
  /** Writes until there is no room; everything that was promised is there, before and after there is room again. */
  async function expectNoLoss(store: Store, makeRoom: () => Promise<void>): Promise<void> {
    let promised = 0;
    const full = async (): Promise<void> => {
      for (; promised < 1_000_000; promised += 200) await append(store, manyRuns(200, `r${promised}-`));
    };
    await expect(full()).rejects.toMatchObject({ name: "RigorError", code: "storage" });
    expect(promised).toBeGreaterThan(0);
    expect(await store.lastPosition()).toBe(promised);
    const points = Array.from({ length: 20_000 }, (_, index) => ({
      attempt_id: "a",
      line_offset: index,
      name: "m",
      step: index,
      value: 1,
    }));
    await expect(ingestMetricPoints(store, points)).rejects.toMatchObject({ code: "storage" });
    await makeRoom();
    await append(store, manyRuns(200, "later"));
    await ingestMetricPoints(store, points);
    expect((await store.eventsAfter(0, 1_000_000)).map((event) => event.seq)).toEqual(
      Array.from({ length: promised + 200 }, (_, index) => index + 1),
    );
    expect(await compareWithLog(store)).toEqual([]);
  }

  test("a database that may not grow [job.disk-full]", async () => {
    const store = await openSqliteStore(file);
    await sql`pragma max_page_count = 200`.execute(store.db);
    await expectNoLoss(store, async () => {
      await sql`pragma max_page_count = 1000000`.execute(store.db);
    });
    await store.close();
  });

  const mount = join(tmpdir(), `rigor-full-${process.pid}`);
  const canMount = ((): boolean => {
    mkdirSync(mount, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "rigor-test", mount], { stdio: "pipe" });
      execFileSync("umount", [mount]);
      return true;
    } catch {
      // Only root may mount.
      return false;
    }
  })();

  test.skipIf(!canMount)("a file system without room [job.disk-full]", async () => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "rigor-test", mount]);
    try {
      const store = await openSqliteStore(join(mount, "rigor.db"));
      const makeRoom = (): Promise<void> =>
        Promise.resolve(void execFileSync("mount", ["-o", "remount,size=64m", mount]));
      try {
        await expectNoLoss(store, makeRoom);
      } finally {
        await store.close();
      }
    } finally {
      execFileSync("umount", [mount]);
    }
  });
});

describe("backup", () => {
  test("a backup made while another process writes is whole and consistent [store.backup]", async () => {
    const store = await openSqliteStore(file);
    await append(store, manyRuns(2_000));
    const writer = startWriter(file, "w", 100_000);
    while (writer.acknowledged.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const copy of ["one.db", "two.db"]) {
      const promised = writer.acknowledged.at(-1) ?? 0;
      const own = append(store, [runCreated(`during-${copy}`)]);
      await store.backup(join(directory, copy));
      await own;
      const restored = await openSqliteStore(join(directory, copy));
      expect(await restored.lastPosition()).toBeGreaterThanOrEqual(promised);
      expect(restored.origin).toBe(store.origin);
      expect(await compareWithLog(restored)).toEqual([]);
      const content = await contentOf(restored);
      await rebuild(restored);
      expect(await contentOf(restored)).toBe(content);
      await restored.close();
    }
    writer.child.kill("SIGKILL");
    await writer.ended;
    await store.close();
  });

  test("a backup overwrites nothing and leaves no part behind [store.backup]", async () => {
    const store = await openSqliteStore(file);
    const taken = join(directory, "taken");
    writeFileSync(taken, "mine");
    await expect(store.backup(taken)).rejects.toMatchObject({ code: "not-possible" });
    const nowhere = join(directory, "none", "copy");
    await expect(store.backup(nowhere)).rejects.toMatchObject({
      code: "storage",
      message: `The backup ${nowhere} cannot be written.`,
    });
    expect(readFileSync(taken, "utf8")).toBe("mine");
    await store.close();
    expect(readdirSync(directory).toSorted()).toEqual(["rigor.db", "taken"]);
  });
});

describe("one owner", () => {
  const script = `
    import { takeOwnership } from ${JSON.stringify(new URL("ownership.ts", import.meta.url).href)};
    takeOwnership(process.argv[1], () => "nobody");
    globalThis.gc(); // It does not matter whether anything refers to what was taken.
    process.stdout.write("taken");
    setInterval(() => undefined, 1000);
  `;

  test("a second process is refused with the owner's description, until the owner is killed [store.second-daemon]", async () => {
    const lock = join(directory, "owner");
    const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "-e", script, lock], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    expect(() => takeOwnership(lock, () => "pid 7 at http://127.0.0.1:1")).toThrow(
      expect.objectContaining({
        code: "already-running",
        message: "Another daemon uses this data: pid 7 at http://127.0.0.1:1.",
      }),
    );
    child.kill("SIGKILL");
    await once(child, "close");
    const owner = takeOwnership(lock, () => "");
    expect(() => takeOwnership(lock, () => "me")).toThrow(expect.objectContaining({ code: "already-running" }));
    owner.release();
    takeOwnership(lock, () => "").release();
  });
});

describe("the connection", () => {
  test("a query that ran before sees a change of the schema, and all rows after a stream that was left", async () => {
    const store = await openSqliteStore(file);
    await append(store, manyRuns(10));
    await store.transact("test", async ({ db }) => {
      const query = db.selectFrom("runs").selectAll().orderBy("created_at").orderBy("id");
      for await (const row of query.stream()) {
        expect(row.id).toBe("r0");
        break;
      }
      expect((await query.execute()).length).toBe(10);
      await db.schema.alterTable("runs").addColumn("note", "text").execute();
      expect(await query.executeTakeFirst()).toHaveProperty("note", null);
      await db.schema.alterTable("runs").dropColumn("note").execute();
      expect(await query.executeTakeFirst()).not.toHaveProperty("note");
    });
    await store.close();
  });

  test("a query of the store inside a turn is an error, and outside it waits", async () => {
    const store = await openSqliteStore(file);
    const turn = store.transact("test", async ({ db }) => {
      await db.selectFrom("runs").select("id").execute();
      await store.lastPosition();
    });
    await expect(turn).rejects.toThrow(/inside a transaction/);
    const other = await openSqliteStore(join(directory, "other.db"));
    expect(await store.transact("test", () => other.lastPosition())).toBe(0);
    await other.close();
    await store.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
  });
});
