import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Kysely } from "kysely";
import { contentHash } from "../domain/canonical.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { Store } from "./store.ts";
import { tableNames, type Database } from "./tables.ts";

/** An empty database that one test owns. */
export interface TestDatabase {
  /** What a process must be told to open it: a file or a URL. */
  target: string;
  open(): Promise<Store>;
  /** The database below the store, for tests of migrations. */
  connect(): Promise<Kysely<Database>>;
  drop(): Promise<void>;
}

/** What a new run, placed in an experiment, looks like in the log. */
export function runCreated(id: string, position = 0): DomainEvent {
  const at = { experiment_id: "e1", position, arm: "a", task: "t", grid: {}, seed: position };
  return {
    kind: "run.created",
    entity: id,
    data: { parameters: {}, placement: { ...at, stages: [0], in_final_stage: true } },
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

/** Starts a process that writes, and collects the positions that it was given. */
export function startWriter(
  target: string,
  name: string,
  turns: number,
): { child: ChildProcess; acknowledged: number[]; ended: Promise<void> } {
  const script = fileURLToPath(new URL("writer.testing.ts", import.meta.url));
  const child = spawn(process.execPath, [script, target, name, String(turns)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledged: number[] = [];
  // `close` comes after the last line was read.
  const ended = once(child, "close").then(() => undefined);
  createInterface({ input: child.stdout }).on("line", (line) => acknowledged.push(Number(line)));
  return { child, acknowledged, ended };
}
