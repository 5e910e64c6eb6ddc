import { sql } from "kysely";
import { describe, expect, test, vi } from "vitest";
import { migrate, readMeta } from "./migrate.ts";
import type { Migration } from "./migrations/migration.ts";
import { migrations } from "./migrations/migrations.ts";
import { compareWithLog } from "./rebuild.ts";
import { append, runCreated, storeFixture, type CreateDatabase } from "./suite.testing.ts";
import { tables } from "./tables.ts";

/** Databases of older and newer programs, and those that several programs make at once. */
export function migrationsSuite(create: CreateDatabase): void {
  describe("migrations", () => {
    const given = storeFixture(create);

    test("an older database is migrated in place, once; a newer one is refused [store.migrations] [store.damaged]", async () => {
      await append(given.store, [runCreated("r1")]);
      await given.store.close();
      const up = vi.fn<Migration["up"]>((db) => db.schema.alterTable("runs").addColumn("note", "text").execute());
      const known = [...migrations, { up }];
      const db = await given.database.connect();
      await migrate(db, given.store.dialect, known);
      await migrate(db, given.store.dialect, known);
      expect(up).toHaveBeenCalledTimes(1);
      expect(await readMeta(db, "schema_version")).toBe(String(known.length));
      expect(await db.selectFrom("runs").selectAll().execute()).toMatchObject([{ id: "r1", note: null }]);
      await expect(given.database.open()).rejects.toMatchObject({
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
      given.store = await given.database.open();
      expect(await compareWithLog(given.store)).toEqual([]);
    });

    test("a migration that fails changes nothing [store.migrations]", async () => {
      const db = await given.database.connect();
      const broken: Migration = {
        async up(trx) {
          await trx.schema.createTable("half").addColumn("id", "text").execute();
          await sql`select no_such_thing()`.execute(trx);
        },
      };
      await expect(migrate(db, given.store.dialect, [...migrations, broken])).rejects.toThrow(/no_such_thing/);
      expect(await readMeta(db, "schema_version")).toBe(String(migrations.length));
      expect((await db.introspection.getTables()).map((table) => table.name)).not.toContain("half");
      await db.destroy();
    });

    test("a database of an unfinished version is refused in a sentence [store.damaged]", async () => {
      await given.store.db.schema.alterTable("runs").renameColumn("retries", "tries").execute();
      await expect(given.database.open()).rejects.toMatchObject({
        code: "database",
        message: expect.stringContaining("made by an unfinished version of Rigor: it lacks runs.retries") as string,
      });
    });

    test("the tables have the columns that the program knows", async () => {
      for (const table of await given.store.db.introspection.getTables()) {
        if (!(table.name in tables)) continue;
        const { columns } = tables[table.name as keyof typeof tables];
        expect(table.columns.map((column) => column.name).toSorted()).toEqual(Object.keys(columns).toSorted());
      }
    });
  });
}
