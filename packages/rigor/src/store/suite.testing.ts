import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Kysely } from "kysely";
import { afterEach, beforeEach, onTestFinished } from "vitest";
import { contentHash } from "../domain/canonical.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { Store } from "./store.ts";
import { tableNames, type Database } from "./tables.ts";
import type { Durability } from "./turn.ts";

/** An empty database that one test owns. */
export interface TestDatabase {
  /** What a process must be told to open it: a file or a URL. */
  target: string;
  open(): Promise<Store>;
  /** The database below the store, for tests of migrations. */
  connect(): Promise<Kysely<Database>>;
  drop(): Promise<void>;
}

export type CreateDatabase = () => Promise<TestDatabase>;

/** A new database for each test, and its store, which may be opened again. */
export interface StoreFixture {
  database: TestDatabase;
  store: Store;
  reopen(): Promise<void>;
}

export function storeFixture(create: CreateDatabase): StoreFixture {
  const given = {
    async reopen(): Promise<void> {
      await given.store.close();
      given.store = await given.database.open();
    },
  } as StoreFixture;
  beforeEach(async () => {
    given.database = await create();
    given.store = await given.database.open();
  });
  afterEach(async () => {
    await given.store.close();
    await given.database.drop();
  });
  return given;
}

/** What a new run, placed in an experiment, looks like in the log. */
export function runCreated(id: string, position = 0): DomainEvent {
  const at = { experiment_id: "e1", position, arm: "a", task: "t", grid: {}, seed: position };
  return {
    kind: "run.created",
    entity: id,
    data: { parameters: {}, needs: {}, placement: { ...at, stages: [0], in_final_stage: true } },
  };
}

/** Writes events in a turn of their own. */
export const append = (store: Store, events: readonly DomainEvent[]): Promise<void> =>
  store.transact("test", (transaction) => transaction.append(events));

/** Every row of every table, as one hash. */
export async function contentOf(store: Store): Promise<string> {
  const content: [string, string[]][] = [];
  for (const table of tableNames) {
    const rows = await store.db.selectFrom(table).selectAll().execute();
    content.push([table, rows.map((row) => contentHash(row)).toSorted()]);
  }
  return contentHash(content);
}

/**
 * Starts a process that writes, and collects the positions that it was given.
 *
 * @param program what runs it, with words before its own
 */
export function startWriter(
  target: string,
  name: string,
  turns: number,
  durability: Durability = "at-once",
  [program, ...before]: readonly [string, ...string[]] = [process.execPath],
): { child: ChildProcess; acknowledged: number[]; ended: Promise<void> } {
  const script = fileURLToPath(new URL("writer.testing.ts", import.meta.url));
  const words = [script, target, name, String(turns), durability];
  const child = spawn(program, [...before, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const acknowledged: number[] = [];
  // `close` comes after the last line was read.
  const ended = once(child, "close").then(() => undefined);
  createInterface({ input: child.stdout }).on("line", (line) => acknowledged.push(Number(line)));
  return { child, acknowledged, ended };
}
