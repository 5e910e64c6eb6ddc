import { existsSync } from "node:fs";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { createTestDatabase, findBinaries, startPostgres, testServerUrl } from "./postgres.ts";

const binaries = findBinaries();

async function one(url: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<{ value: unknown }>(text);
    return result.rows[0]?.value;
  } finally {
    await client.end();
  }
}

describe.skipIf(testServerUrl() === undefined)("PostgreSQL for tests", () => {
  test("each test database is empty, its own, and gone after drop", async () => {
    const [first, second] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    await one(first.url, "create table only_here (id int)");
    const tables = "select count(*)::int as value from information_schema.tables where table_name = 'only_here'";
    expect(await one(first.url, tables)).toBe(1);
    expect(await one(second.url, tables)).toBe(0);
    await Promise.all([first.drop(), second.drop()]);
    await expect(one(first.url, "select 1")).rejects.toThrow(/does not exist/);
  });
});

describe.skipIf(binaries === undefined)("a private PostgreSQL", () => {
  test("answers until it is stopped, and leaves no files", async () => {
    const server = await startPostgres(binaries ?? "");
    const directory = await one(server.url, "select setting as value from pg_settings where name = 'data_directory'");
    expect(existsSync(String(directory))).toBe(true);
    await server.stop();
    expect(existsSync(String(directory))).toBe(false);
    await expect(one(server.url, "select 1")).rejects.toThrow(/ECONNREFUSED/);
  });
});
