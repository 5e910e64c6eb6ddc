import type { Kysely } from "kysely";
import { describe, expect, test, vi } from "vitest";
import { attemptCandidates, validHistory, type Pool } from "../domain/events/events.testing.ts";
import { ingestMetricPoints, metricPoints } from "./metrics.ts";
import { compareWithLog } from "./rebuild.ts";
import type { LoggedEvent } from "./store.ts";
import { append, contentOf, runCreated, storeFixture, type CreateDatabase } from "./suite.testing.ts";
import { decodeRow, type Database } from "./tables.ts";

const pool: Pool = {
  experiments: ["e1", "e2"],
  runs: ["r1", "r2", "r3"],
  attempts: 3,
  computes: ["c1", "c2"],
  issues: ["i1"],
};

/** What every log does, whatever database it stands on: turns, numbers, readers and subscribers. */
export function logSuite(create: CreateDatabase): void {
  describe("log", () => {
    const given = storeFixture(create);

    test("events are numbered, stamped and still there after opening again [store.one-suite]", async () => {
      const before = Date.now();
      await append(given.store, [runCreated("r1"), runCreated("r2")]);
      await append(given.store, [runCreated("r3")]);
      const { origin } = given.store;
      await given.reopen();
      expect(given.store.origin).toBe(origin);
      const events = await given.store.eventsAfter(0, 10);
      expect(events.map((event) => [event.seq, event.entity])).toEqual([
        [1, "r1"],
        [2, "r2"],
        [3, "r3"],
      ]);
      for (const event of events) {
        expect(event).toMatchObject({ origin, actor: "test", kind: "run.created", version: 1 });
        expect(Date.parse(event.time)).toBeGreaterThanOrEqual(before - 1);
      }
      await append(given.store, [runCreated("r4")]);
      expect((await given.store.eventsAfter(0, 10)).at(-1)?.seq).toBe(4);
      expect(await given.store.lastPosition()).toBe((await given.store.eventsAfter(0, 10)).at(-1)?.position);
    });

    test("a turn's value and events are handed back; an empty turn writes nothing", async () => {
      const seen = vi.fn<(events: readonly LoggedEvent[]) => void>();
      given.store.subscribe(seen);
      expect(await given.store.transact("test", () => Promise.resolve(7))).toBe(7);
      await append(given.store, []);
      expect(seen).not.toHaveBeenCalled();
      expect(await given.store.lastPosition()).toBe(0);
    });

    test("a decision that fails writes nothing, and the next one is numbered on [store.one-suite]", async () => {
      await append(given.store, [runCreated("r1")]);
      const before = await contentOf(given.store);
      const seen = vi.fn<(events: readonly LoggedEvent[]) => void>();
      given.store.subscribe(seen);
      const failing = given.store.transact("test", async (transaction) => {
        await transaction.append([runCreated("r2")]);
        throw new Error("on second thought");
      });
      await expect(failing).rejects.toThrow("on second thought");
      await expect(append(given.store, [runCreated("r3"), runCreated("r1")])).rejects.toThrow("run r1 exists already");
      expect(await contentOf(given.store)).toBe(before);
      expect(seen).not.toHaveBeenCalled();
      await append(given.store, [runCreated("r4")]);
      expect((await given.store.eventsAfter(0, 10)).map((event) => [event.seq, event.entity])).toEqual([
        [1, "r1"],
        [2, "r4"],
      ]);
    });

    test("an append that failed dooms its turn, even when its error is caught", async () => {
      const turn = given.store.transact("test", async (transaction) => {
        await transaction.append([runCreated("r1"), runCreated("r1")]).catch(() => undefined);
        await transaction.append([runCreated("r2")]).catch(() => undefined);
      });
      await expect(turn).rejects.toThrow("run r1 exists already");
      expect(await given.store.eventsAfter(0, 10)).toEqual([]);
      expect(await compareWithLog(given.store)).toEqual([]);
    });

    test("appends that nobody waits for are part of the turn, in their order", async () => {
      await given.store.transact("test", async (transaction) => {
        void transaction.append([runCreated("r1")]);
        void transaction.append(attemptCandidates("r1", 1).slice(0, 1));
        void transaction.append(attemptCandidates("r1", 1).slice(1, 2));
        return Promise.resolve();
      });
      expect(await given.store.db.selectFrom("attempts").select("state").execute()).toEqual([{ state: "staging" }]);
      expect(await compareWithLog(given.store)).toEqual([]);
    });

    test("what was appended can be read in the turn, and outside only after it [F02]", async () => {
      const count = async (db: Kysely<Database>): Promise<number> =>
        (await db.selectFrom("runs").select("id").execute()).length;
      const gate = Promise.withResolvers<undefined>();
      const turn = given.store.transact("test", async (transaction) => {
        await transaction.append([runCreated("r1")]);
        gate.resolve(undefined);
        expect(await count(transaction.db)).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 50));
        await transaction.append([runCreated("r2")]);
      });
      await gate.promise;
      const outside = count(given.store.db);
      await turn;
      // Before the turn or after it, never in the middle.
      expect([0, 2]).toContain(await outside);
      expect(await count(given.store.db)).toBe(2);
    });

    test("asking the store for another turn inside a turn is an error, not a stillstand", async () => {
      await expect(given.store.transact("test", () => append(given.store, [runCreated("r1")]))).rejects.toThrow(
        /inside a transaction/,
      );
      await append(given.store, [runCreated("r2")]);
      expect((await given.store.eventsAfter(0, 10)).map((event) => event.entity)).toEqual(["r2"]);
    });

    test("decisions that are asked for at once take turns: each sees what the one before did [F02]", async () => {
      const turns = Array.from({ length: 30 }, (_, index) =>
        given.store.transact("test", async (transaction) => {
          const rows = await transaction.db.selectFrom("placements").select("position").execute();
          await new Promise((resolve) => setTimeout(resolve, index % 3));
          await transaction.append([runCreated(`r${index}`, rows.length)]);
        }),
      );
      await Promise.all(turns);
      const rows = await given.store.db.selectFrom("placements").select("position").orderBy("position").execute();
      expect(rows.map((row) => row.position)).toEqual(turns.map((_, index) => index));
    });

    test("subscribers get each commit once, in order, until they end it", async () => {
      const seen: string[][] = [];
      const end = given.store.subscribe((events) =>
        seen.push(events.map((event) => `${event.position} ${event.entity}`)),
      );
      await append(given.store, [runCreated("r1"), runCreated("r2")]);
      await append(given.store, [runCreated("r3")]);
      end();
      await append(given.store, [runCreated("r4")]);
      const logged = await given.store.eventsAfter(0, 3);
      expect(seen.flat()).toEqual(logged.map((event) => `${event.position} ${event.entity}`));
      expect(seen.map((events) => events.length)).toEqual([2, 1]);
    });

    test("a subscriber gets events as a reader of the log gets them", async () => {
      let published: readonly LoggedEvent[] = [];
      given.store.subscribe((events) => (published = events));
      await append(given.store, validHistory(pool, [0, 40, 55, 60, 3, 80, 81, 82, 90]));
      expect(await given.store.eventsAfter(0, 100)).toEqual(published);
    });

    test("a subscriber that fails harms neither the writer nor other subscribers", async () => {
      const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
      const seen = vi.fn<(events: readonly LoggedEvent[]) => void>();
      given.store.subscribe(() => {
        throw new Error("subscriber at fault");
      });
      given.store.subscribe(seen);
      await append(given.store, [runCreated("r1")]);
      await append(given.store, [runCreated("r2")]);
      expect(seen).toHaveBeenCalledTimes(2);
      expect(warned).toHaveBeenCalledWith(expect.objectContaining({ message: "subscriber at fault" }));
      warned.mockRestore();
    });

    test("the log is read on from any position, all of it or that of some entities", async () => {
      await append(
        given.store,
        Array.from({ length: 10 }, (_, index) => runCreated(`r${index}`)),
      );
      const first = await given.store.eventsAfter(0, 4);
      const rest = await given.store.eventsAfter(first.at(-1)?.position ?? 0, 100);
      expect([...first, ...rest].map((event) => event.entity)).toEqual(
        Array.from({ length: 10 }, (_, index) => `r${index}`),
      );
      expect((await given.store.eventsAfter(0, 100, ["r7", "r2"])).map((event) => event.entity)).toEqual(["r2", "r7"]);
      expect(await given.store.eventsAfter(await given.store.lastPosition(), 100)).toEqual([]);
    });

    test("a turn may be larger than any one statement", async () => {
      const count = 3_500;
      await append(
        given.store,
        Array.from({ length: count }, (_, index) => runCreated(`r${index}`, index)),
      );
      expect((await given.store.eventsAfter(0, count + 1)).length).toBe(count);
      expect(await compareWithLog(given.store)).toEqual([]);
    });

    test("text of every kind comes back as it was written", async () => {
      const message = `"quotes" \\u0000 '; drop table runs; -- \n\t\u2028 ключ 😀 ${"x".repeat(100_000)}`;
      await append(given.store, [
        runCreated("r1"),
        { kind: "run.held", entity: "r1", data: { reason: { code: "person", message } } },
      ]);
      const row = await given.store.db.selectFrom("runs").selectAll().executeTakeFirstOrThrow();
      expect(decodeRow("runs", row).reason).toEqual({ code: "person", message });
      expect(await compareWithLog(given.store)).toEqual([]);
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
      await ingestMetricPoints(given.store, points.slice(0, 3_000));
      await ingestMetricPoints(given.store, points);
      await ingestMetricPoints(given.store, [...points.slice(10, 20), ...points.slice(10, 20)]);
      await ingestMetricPoints(given.store, []);
      const losses = await metricPoints(given.store, "a1", "loss", 10_000);
      expect(losses).toEqual(points.filter((one) => one.name === "loss").map(({ step, value }) => ({ step, value })));
      expect((await metricPoints(given.store, "a1", "loss", 7)).length).toBe(7);
    });
  });
}
