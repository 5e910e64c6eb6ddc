import fc from "fast-check";
import { sql, type Kysely } from "kysely";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { attemptCandidates, candidates, validHistory, type Pool } from "../domain/events/events.testing.ts";
import { migrate, readMeta } from "./migrate.ts";
import type { Migration } from "./migrations/migration.ts";
import { migrations } from "./migrations/migrations.ts";
import { ingestMetricPoints, metricPoints } from "./metrics.ts";
import { compareWithLog, rebuild } from "./rebuild.ts";
import type { LoggedEvent, Store } from "./store.ts";
import { append, contentOf, runCreated, startWriter, type TestDatabase } from "./suite.testing.ts";
import { decodeRow, tables, type Database } from "./tables.ts";

const pool: Pool = { experiments: ["e1", "e2"], runs: ["r1", "r2", "r3"], attempts: 3, computes: ["c1", "c2"] };
const all = candidates(pool);

/** What every store must do, whatever database it stands on. */
export function storeSuite(name: string, create: () => Promise<TestDatabase>): void {
  describe(`store on ${name}`, () => {
    let database: TestDatabase;
    let store: Store;

    beforeEach(async () => {
      database = await create();
      store = await database.open();
    });

    afterEach(async () => {
      await store.close();
      await database.drop();
    });

    const reopen = async (): Promise<void> => {
      await store.close();
      store = await database.open();
    };

    test("events are numbered, stamped and still there after opening again [store.one-suite]", async () => {
      const before = Date.now();
      await append(store, [runCreated("r1"), runCreated("r2")]);
      await append(store, [runCreated("r3")]);
      const { origin } = store;
      await reopen();
      expect(store.origin).toBe(origin);
      const events = await store.eventsAfter(0, 10);
      expect(events.map((event) => [event.seq, event.entity])).toEqual([
        [1, "r1"],
        [2, "r2"],
        [3, "r3"],
      ]);
      for (const event of events) {
        expect(event).toMatchObject({ origin, actor: "test", kind: "run.created", version: 1 });
        expect(Date.parse(event.time)).toBeGreaterThanOrEqual(before - 1);
      }
      await append(store, [runCreated("r4")]);
      expect((await store.eventsAfter(0, 10)).at(-1)?.seq).toBe(4);
      expect(await store.lastPosition()).toBe((await store.eventsAfter(0, 10)).at(-1)?.position);
    });

    test("a turn's value and events are handed back; an empty turn writes nothing", async () => {
      const seen = vi.fn<(events: readonly LoggedEvent[]) => void>();
      store.subscribe(seen);
      expect(await store.transact("test", () => Promise.resolve(7))).toBe(7);
      await append(store, []);
      expect(seen).not.toHaveBeenCalled();
      expect(await store.lastPosition()).toBe(0);
    });

    test("a decision that fails writes nothing, and the next one is numbered on [store.one-suite]", async () => {
      await append(store, [runCreated("r1")]);
      const before = await contentOf(store);
      const seen = vi.fn<(events: readonly LoggedEvent[]) => void>();
      store.subscribe(seen);
      const failing = store.transact("test", async (transaction) => {
        await transaction.append([runCreated("r2")]);
        throw new Error("on second thought");
      });
      await expect(failing).rejects.toThrow("on second thought");
      await expect(append(store, [runCreated("r3"), runCreated("r1")])).rejects.toThrow("run r1 exists already");
      expect(await contentOf(store)).toBe(before);
      expect(seen).not.toHaveBeenCalled();
      await append(store, [runCreated("r4")]);
      expect((await store.eventsAfter(0, 10)).map((event) => [event.seq, event.entity])).toEqual([
        [1, "r1"],
        [2, "r4"],
      ]);
    });

    test("an append that failed dooms its turn, even when its error is caught", async () => {
      const turn = store.transact("test", async (transaction) => {
        await transaction.append([runCreated("r1"), runCreated("r1")]).catch(() => undefined);
        await transaction.append([runCreated("r2")]).catch(() => undefined);
      });
      await expect(turn).rejects.toThrow("run r1 exists already");
      expect(await store.eventsAfter(0, 10)).toEqual([]);
      expect(await compareWithLog(store)).toEqual([]);
    });

    test("appends that nobody waits for are part of the turn, in their order", async () => {
      await store.transact("test", async (transaction) => {
        void transaction.append([runCreated("r1")]);
        void transaction.append(attemptCandidates("r1", 1).slice(0, 1));
        void transaction.append(attemptCandidates("r1", 1).slice(1, 2));
        return Promise.resolve();
      });
      expect(await store.db.selectFrom("attempts").select("state").execute()).toEqual([{ state: "staging" }]);
      expect(await compareWithLog(store)).toEqual([]);
    });

    test("what was appended can be read in the turn, and outside only after it [F02]", async () => {
      const count = async (db: Kysely<Database>): Promise<number> =>
        (await db.selectFrom("runs").select("id").execute()).length;
      const gate = Promise.withResolvers<undefined>();
      const turn = store.transact("test", async (transaction) => {
        await transaction.append([runCreated("r1")]);
        gate.resolve(undefined);
        expect(await count(transaction.db)).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 50));
        await transaction.append([runCreated("r2")]);
      });
      await gate.promise;
      const outside = count(store.db);
      await turn;
      // Before the turn or after it, never in the middle.
      expect([0, 2]).toContain(await outside);
      expect(await count(store.db)).toBe(2);
    });

    test("asking the store for another turn inside a turn is an error, not a stillstand", async () => {
      await expect(store.transact("test", () => append(store, [runCreated("r1")]))).rejects.toThrow(
        /inside a transaction/,
      );
      await append(store, [runCreated("r2")]);
      expect((await store.eventsAfter(0, 10)).map((event) => event.entity)).toEqual(["r2"]);
    });

    test("decisions that are asked for at once take turns: each sees what the one before did [F02]", async () => {
      const turns = Array.from({ length: 30 }, (_, index) =>
        store.transact("test", async (transaction) => {
          const rows = await transaction.db.selectFrom("placements").select("position").execute();
          await new Promise((resolve) => setTimeout(resolve, index % 3));
          await transaction.append([runCreated(`r${index}`, rows.length)]);
        }),
      );
      await Promise.all(turns);
      const rows = await store.db.selectFrom("placements").select("position").orderBy("position").execute();
      expect(rows.map((row) => row.position)).toEqual(turns.map((_, index) => index));
    });

    test("two processes write one log without loss, and a reader that resumes misses nothing [F02]", async () => {
      const turns = 40;
      const writers = ["a", "b"].map((writer) => startWriter(database.target, writer, turns));
      const over = Promise.all(writers.map((writer) => writer.ended));
      let running = true;
      void over.then(() => (running = false));
      const seen: LoggedEvent[] = [];
      for (let last = false; !last;) {
        last = !running;
        for (let events = await store.eventsAfter(seen.at(-1)?.position ?? 0, 7); events.length > 0;) {
          seen.push(...events);
          events = await store.eventsAfter(seen.at(-1)?.position ?? 0, 7);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(writers.map((writer) => writer.acknowledged.length)).toEqual([turns, turns]);
      expect(seen.map((event) => event.seq)).toEqual(Array.from({ length: turns * 2 * 4 }, (_, index) => index + 1));
      const rows = await store.db.selectFrom("placements").select("position").orderBy("position").execute();
      expect(rows.map((row) => row.position)).toEqual(Array.from({ length: turns * 2 }, (_, index) => index));
      expect(await compareWithLog(store)).toEqual([]);
    }, 60_000);

    test("subscribers get each commit once, in order, until they end it", async () => {
      const seen: string[][] = [];
      const end = store.subscribe((events) => seen.push(events.map((event) => `${event.position} ${event.entity}`)));
      await append(store, [runCreated("r1"), runCreated("r2")]);
      await append(store, [runCreated("r3")]);
      end();
      await append(store, [runCreated("r4")]);
      const logged = await store.eventsAfter(0, 3);
      expect(seen.flat()).toEqual(logged.map((event) => `${event.position} ${event.entity}`));
      expect(seen.map((events) => events.length)).toEqual([2, 1]);
    });

    test("a subscriber gets events as a reader of the log gets them", async () => {
      let published: readonly LoggedEvent[] = [];
      store.subscribe((events) => (published = events));
      await append(store, validHistory(pool, [0, 40, 55, 60, 3, 80, 81, 82, 90]));
      expect(await store.eventsAfter(0, 100)).toEqual(published);
    });

    test("a subscriber that fails harms neither the writer nor other subscribers", async () => {
      const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
      const seen = vi.fn<(events: readonly LoggedEvent[]) => void>();
      store.subscribe(() => {
        throw new Error("subscriber at fault");
      });
      store.subscribe(seen);
      await append(store, [runCreated("r1")]);
      await append(store, [runCreated("r2")]);
      expect(seen).toHaveBeenCalledTimes(2);
      expect(warned).toHaveBeenCalledWith(expect.objectContaining({ message: "subscriber at fault" }));
      warned.mockRestore();
    });

    test("the log is read on from any position, all of it or that of some entities", async () => {
      await append(
        store,
        Array.from({ length: 10 }, (_, index) => runCreated(`r${index}`)),
      );
      const first = await store.eventsAfter(0, 4);
      const rest = await store.eventsAfter(first.at(-1)?.position ?? 0, 100);
      expect([...first, ...rest].map((event) => event.entity)).toEqual(
        Array.from({ length: 10 }, (_, index) => `r${index}`),
      );
      expect((await store.eventsAfter(0, 100, ["r7", "r2"])).map((event) => event.entity)).toEqual(["r2", "r7"]);
      expect(await store.eventsAfter(await store.lastPosition(), 100)).toEqual([]);
    });

    test("tables rebuilt from the log equal the live tables, for any history [store.rebuild]", async () => {
      const choices = fc.array(fc.nat({ max: all.length - 1 }), { minLength: 1, maxLength: 80 });
      await fc.assert(
        fc.asyncProperty(choices, fc.integer({ min: 1, max: 9 }), async (picks, perTurn) => {
          const own = await create();
          const fresh = await own.open();
          try {
            const history = validHistory(pool, picks);
            for (let start = 0; start < history.length; start += perTurn) {
              await append(fresh, history.slice(start, start + perTurn));
            }
            const live = await contentOf(fresh);
            expect(await compareWithLog(fresh)).toEqual([]);
            expect(await rebuild(fresh)).toBe(history.length);
            expect(await contentOf(fresh)).toBe(live);
          } finally {
            await fresh.close();
            await own.drop();
          }
        }),
        { numRuns: 12 },
      );
    }, 120_000);

    test("rows that differ from the log are found, and mended by rebuilding [store.rebuild]", async () => {
      await append(store, [runCreated("r1"), runCreated("r2"), runCreated("r3")]);
      const sound = await contentOf(store);
      await store.db.updateTable("runs").set({ state: "done" }).where("id", "=", "r1").execute();
      await store.db.deleteFrom("runs").where("id", "=", "r2").execute();
      await store.db.updateTable("placements").set({ run_id: "r9" }).where("run_id", "=", "r3").execute();
      const found = (await compareWithLog(store)).map((one) => [
        one.table,
        one.key,
        one.live !== undefined,
        one.rebuilt !== undefined,
      ]);
      expect(found.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
        ["placements", "e1/r3", false, true],
        ["placements", "e1/r9", true, false],
        ["runs", "r1", true, true],
        ["runs", "r2", false, true],
      ]);
      await rebuild(store);
      expect(await compareWithLog(store)).toEqual([]);
      expect(await contentOf(store)).toBe(sound);
    });

    test("an event of a newer program stops a rebuild and leaves the tables as they are [F08]", async () => {
      await append(store, [runCreated("r1")]);
      const before = await contentOf(store);
      await store.db.updateTable("events").set({ kind: "run.exploded" }).execute();
      await expect(rebuild(store)).rejects.toThrow(/another version of Rigor/);
      await expect(compareWithLog(store)).rejects.toThrow(/another version of Rigor/);
      await expect(store.eventsAfter(0, 10)).rejects.toThrow(/another version of Rigor/);
      expect(await contentOf(store)).toBe(before);
    });

    test("retry counters and the time of the next attempt are in the log [F07]", async () => {
      const retries = { infrastructure: 2, preemption: 1, code: 0 };
      const not_before = "2030-01-01T00:00:00.000Z";
      await append(store, [
        runCreated("r1"),
        ...attemptCandidates("r1", 1).slice(0, 1),
        {
          kind: "run.retried",
          entity: "r1",
          data: { reason: { code: "network", message: "gone" }, retries, not_before },
        },
      ]);
      await reopen();
      await rebuild(store);
      const row = await store.db.selectFrom("runs").selectAll().executeTakeFirstOrThrow();
      expect(decodeRow("runs", row)).toMatchObject({ state: "pending", retries, not_before, attempts: 1 });
    });

    test("a turn may be larger than any one statement", async () => {
      const count = 3_500;
      await append(
        store,
        Array.from({ length: count }, (_, index) => runCreated(`r${index}`, index)),
      );
      expect((await store.eventsAfter(0, count + 1)).length).toBe(count);
      expect(await compareWithLog(store)).toEqual([]);
    });

    test("text of every kind comes back as it was written", async () => {
      const message = `"quotes" \\u0000 '; drop table runs; -- \n\t\u2028 ключ 😀 ${"x".repeat(100_000)}`;
      await append(store, [
        runCreated("r1"),
        { kind: "run.held", entity: "r1", data: { reason: { code: "person", message } } },
      ]);
      const row = await store.db.selectFrom("runs").selectAll().executeTakeFirstOrThrow();
      expect(decodeRow("runs", row).reason).toEqual({ code: "person", message });
      expect(await compareWithLog(store)).toEqual([]);
    });

    test("metric points that are ingested twice are there once [store.idempotent-metrics]", async () => {
      const point = (index: number) => ({
        attempt_id: "a1",
        line_offset: index * 30,
        name: index % 2 ? "loss" : "acc",
        step: index,
        value: index / 3,
      });
      const points = Array.from({ length: 5_000 }, (_, index) => point(index));
      await ingestMetricPoints(store, points.slice(0, 3_000));
      await ingestMetricPoints(store, points);
      await ingestMetricPoints(store, [...points.slice(10, 20), ...points.slice(10, 20)]);
      await ingestMetricPoints(store, []);
      const losses = await metricPoints(store, "a1", "loss", 10_000);
      expect(losses).toEqual(points.filter((one) => one.name === "loss").map(({ step, value }) => ({ step, value })));
      expect((await metricPoints(store, "a1", "loss", 7)).length).toBe(7);
    });

    test("an older database is migrated in place, once; a newer one is refused [store.migrations] [store.damaged]", async () => {
      await append(store, [runCreated("r1")]);
      await store.close();
      const up = vi.fn<Migration["up"]>((db) => db.schema.alterTable("runs").addColumn("note", "text").execute());
      const known = [...migrations, { up }];
      const db = await database.connect();
      await migrate(db, store.dialect, known);
      await migrate(db, store.dialect, known);
      expect(up).toHaveBeenCalledTimes(1);
      expect(await readMeta(db, "schema_version")).toBe(String(known.length));
      expect(await db.selectFrom("runs").selectAll().execute()).toMatchObject([{ id: "r1", note: null }]);
      await expect(database.open()).rejects.toMatchObject({
        code: "database",
        message: expect.stringContaining("made by a newer Rigor") as string,
      });
      // Back to what this program knows, for the end of the test.
      await db.schema.alterTable("runs").dropColumn("note").execute();
      await db
        .updateTable("meta")
        .set({ value: String(migrations.length) })
        .where("key", "=", "schema_version")
        .execute();
      await db.destroy();
      store = await database.open();
      expect(await compareWithLog(store)).toEqual([]);
    });

    test("a migration that fails changes nothing [store.migrations]", async () => {
      const db = await database.connect();
      const broken: Migration = {
        async up(trx) {
          await trx.schema.createTable("half").addColumn("id", "text").execute();
          await sql`select no_such_thing()`.execute(trx);
        },
      };
      await expect(migrate(db, store.dialect, [...migrations, broken])).rejects.toThrow(/no_such_thing/);
      expect(await readMeta(db, "schema_version")).toBe(String(migrations.length));
      expect((await db.introspection.getTables()).map((table) => table.name)).not.toContain("half");
      await db.destroy();
    });

    test("the tables have the columns that the program knows", async () => {
      for (const table of await store.db.introspection.getTables()) {
        if (!(table.name in tables)) continue;
        const { columns } = tables[table.name as keyof typeof tables];
        expect(table.columns.map((column) => column.name).toSorted()).toEqual(Object.keys(columns).toSorted());
      }
    });

    test("two processes that open a new database at once make it once [store.migrations]", async () => {
      const fresh = await create();
      const writers = ["a", "b", "c"].map((writer) => startWriter(fresh.target, writer, 2));
      await Promise.all(writers.map((writer) => writer.ended));
      const opened = await fresh.open();
      expect(writers.map((writer) => writer.acknowledged.length)).toEqual([2, 2, 2]);
      expect(new Set((await opened.eventsAfter(0, 100)).map((event) => event.origin))).toEqual(
        new Set([opened.origin]),
      );
      expect(await opened.lastPosition()).toBe(24);
      await opened.close();
      await fresh.drop();
    }, 60_000);

    test("a writer that is killed at any moment loses nothing that it was promised [store.one-suite]", async () => {
      let pause = 5;
      for (let round = 0; round < 20; round++) {
        const { child, acknowledged, ended } = startWriter(database.target, `w${round}`, 100_000);
        while (acknowledged.length === 0 && child.exitCode === null)
          await new Promise((resolve) => setTimeout(resolve, 2));
        pause = (pause * 7 + 3) % 61;
        await new Promise((resolve) => setTimeout(resolve, pause));
        child.kill("SIGKILL");
        await ended;
        expect(acknowledged.length).toBeGreaterThan(0);
        const found = await store.db.selectFrom("events").select("position").where("actor", "=", `w${round}`).execute();
        const positions = new Set(found.map((row) => row.position));
        expect(acknowledged.filter((position) => !positions.has(position))).toEqual([]);
        // Whole turns only.
        expect(found.length % 4).toBe(0);
      }
      expect(await compareWithLog(store)).toEqual([]);
      const events = await store.eventsAfter(0, 1_000_000);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    }, 120_000);
  });
}
