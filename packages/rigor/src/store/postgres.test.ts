import { Kysely } from "kysely";
import { describe, expect, test } from "vitest";
import { createTestDatabase, testServerUrl } from "../../../../test/support/postgres.ts";
import { openPostgres } from "./dialects/postgres.ts";
import { openPostgresStore } from "./open.ts";
import { append, runCreated } from "./suite.testing.ts";
import { storeSuite } from "./store.suite.ts";
import type { Database } from "./tables.ts";

describe.skipIf(testServerUrl() === undefined)("PostgreSQL", () => {
  storeSuite("PostgreSQL", async () => {
    const { url, drop } = await createTestDatabase();
    return {
      target: url,
      open: () => openPostgresStore(url),
      connect: async () => new Kysely<Database>({ dialect: await openPostgres(url) }),
      drop,
    };
  });

  test("two stores in one process share one log without loss [F02]", async () => {
    const { url, drop } = await createTestDatabase();
    const stores = await Promise.all([openPostgresStore(url), openPostgresStore(url)]);
    await Promise.all(
      stores.flatMap((store, which) =>
        Array.from({ length: 20 }, (_, index) => append(store, [runCreated(`r${which}-${index}`)])),
      ),
    );
    const events = (await stores[0]?.eventsAfter(0, 100)) ?? [];
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    for (const store of stores) await store.close();
    await drop();
  });

  test("a query that failed in a turn and was caught is never reported as committed", async () => {
    const { url, drop } = await createTestDatabase();
    const store = await openPostgresStore(url);
    const seen: unknown[] = [];
    store.subscribe((events) => seen.push(events));
    const turn = store.transact("test", async (transaction) => {
      await transaction.append([runCreated("r1")]);
      await transaction.db
        .selectFrom("runs")
        .select("no_such_column" as "id")
        .execute()
        .catch(() => undefined);
    });
    await expect(turn).rejects.toThrow("rolled back instead");
    expect(seen).toEqual([]);
    expect(await store.eventsAfter(0, 10)).toEqual([]);
    await store.close();
    await drop();
  });

  test("a server that is not there gives one clear error", async () => {
    await expect(openPostgresStore("postgres://nobody@127.0.0.1:9/none")).rejects.toMatchObject({
      code: "database",
      message: "The PostgreSQL server cannot be reached.",
    });
    const url = new URL(testServerUrl() ?? "");
    url.pathname = "/no_such_database";
    await expect(openPostgresStore(url.href)).rejects.toMatchObject({ code: "database" });
  });
});
