import { describe, expect, test } from "vitest";
import { compareWithLog } from "./rebuild.ts";
import type { LoggedEvent } from "./store.ts";
import { startWriter, storeFixture, type CreateDatabase } from "./suite.testing.ts";

/** Several processes on one database, and processes that are killed. */
export function processesSuite(create: CreateDatabase): void {
  describe("several processes", () => {
    const given = storeFixture(create);

    test("two processes write one log without loss, and a reader that resumes misses nothing [F02]", async () => {
      const turns = 40;
      const writers = ["a", "b"].map((writer) => startWriter(given.database.target, writer, turns));
      const over = Promise.all(writers.map((writer) => writer.ended));
      let running = true;
      void over.then(() => (running = false));
      const seen: LoggedEvent[] = [];
      for (let last = false; !last;) {
        last = !running;
        for (let events = await given.store.eventsAfter(seen.at(-1)?.position ?? 0, 7); events.length > 0;) {
          seen.push(...events);
          events = await given.store.eventsAfter(seen.at(-1)?.position ?? 0, 7);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(writers.map((writer) => writer.acknowledged.length)).toEqual([turns, turns]);
      expect(seen.map((event) => event.seq)).toEqual(Array.from({ length: turns * 2 * 4 }, (_, index) => index + 1));
      const rows = await given.store.db.selectFrom("placements").select("position").orderBy("position").execute();
      expect(rows.map((row) => row.position)).toEqual(Array.from({ length: turns * 2 }, (_, index) => index));
      expect(await compareWithLog(given.store)).toEqual([]);
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
    });

    test("a writer that is killed at any moment loses nothing that it was promised [store.one-suite]", async () => {
      let pause = 5;
      for (let round = 0; round < 20; round++) {
        const durability = round % 2 === 0 ? "at-once" : "soon";
        const { child, acknowledged, ended } = startWriter(given.database.target, `w${round}`, 100_000, durability);
        while (acknowledged.length === 0 && child.exitCode === null)
          await new Promise((resolve) => setTimeout(resolve, 2));
        pause = (pause * 7 + 3) % 61;
        await new Promise((resolve) => setTimeout(resolve, pause));
        child.kill("SIGKILL");
        await ended;
        expect(acknowledged.length).toBeGreaterThan(0);
        const found = await given.store.db
          .selectFrom("events")
          .select("position")
          .where("actor", "=", `w${round}`)
          .execute();
        const positions = new Set(found.map((row) => row.position));
        expect(acknowledged.filter((position) => !positions.has(position))).toEqual([]);
        // Whole turns only.
        expect(found.length % 4).toBe(0);
      }
      expect(await compareWithLog(given.store)).toEqual([]);
      const events = await given.store.eventsAfter(0, 1_000_000);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    }, 600_000);
  });
}
