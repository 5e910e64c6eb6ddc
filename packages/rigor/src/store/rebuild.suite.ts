import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attemptCandidates, candidates, validHistory, type Pool } from "../domain/events/events.testing.ts";
import { compareWithLog, rebuild } from "./rebuild.ts";
import { append, contentOf, runCreated, storeFixture, type CreateDatabase } from "./suite.testing.ts";
import { decodeRow } from "./tables.ts";

const pool: Pool = {
  experiments: ["e1", "e2"],
  runs: ["r1", "r2", "r3"],
  attempts: 3,
  computes: ["c1", "c2"],
  issues: ["i1"],
};
const all = candidates(pool);

/** The tables are what the log gives, whatever database they stand in. */
export function rebuildSuite(create: CreateDatabase): void {
  describe("tables", () => {
    const given = storeFixture(create);

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
    }, 300_000);

    test("rows that differ from the log are found, and mended by rebuilding [store.rebuild]", async () => {
      await append(given.store, [runCreated("r1"), runCreated("r2"), runCreated("r3")]);
      const sound = await contentOf(given.store);
      await given.store.db.updateTable("runs").set({ state: "done" }).where("id", "=", "r1").execute();
      await given.store.db.deleteFrom("runs").where("id", "=", "r2").execute();
      await given.store.db.updateTable("placements").set({ run_id: "r9" }).where("run_id", "=", "r3").execute();
      const found = (await compareWithLog(given.store)).map((one) => [
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
      await rebuild(given.store);
      expect(await compareWithLog(given.store)).toEqual([]);
      expect(await contentOf(given.store)).toBe(sound);
    });

    test("an event of a newer program stops a rebuild and leaves the tables as they are [F08]", async () => {
      await append(given.store, [runCreated("r1")]);
      const before = await contentOf(given.store);
      await given.store.db.updateTable("events").set({ kind: "run.exploded" }).execute();
      await expect(rebuild(given.store)).rejects.toThrow(/another version of Rigor/);
      await expect(compareWithLog(given.store)).rejects.toThrow(/another version of Rigor/);
      await expect(given.store.eventsAfter(0, 10)).rejects.toThrow(/another version of Rigor/);
      expect(await contentOf(given.store)).toBe(before);
    });

    test("retry counters and the time of the next attempt are in the log [F07]", async () => {
      const retries = { infrastructure: 2, preemption: 1, code: 0 };
      const not_before = "2030-01-01T00:00:00.000Z";
      await append(given.store, [
        runCreated("r1"),
        ...attemptCandidates("r1", 1).slice(0, 1),
        {
          kind: "run.retried",
          entity: "r1",
          data: { reason: { code: "network", message: "gone" }, retries, not_before },
        },
      ]);
      await given.reopen();
      await rebuild(given.store);
      const row = await given.store.db.selectFrom("runs").selectAll().executeTakeFirstOrThrow();
      expect(decodeRow("runs", row)).toMatchObject({ state: "pending", retries, not_before, attempts: 1 });
    });
  });
}
