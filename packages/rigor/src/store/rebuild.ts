import type { Kysely } from "kysely";
import { canonicalJson } from "../domain/canonical.ts";
import { MemoryState } from "../domain/events/memory-state.ts";
import { applyEvent, touchedRows } from "../domain/events/registry.ts";
import type { Tables } from "../domain/records.ts";
import { Draft } from "./draft.ts";
import { loggedEvent, type LoggedEvent, type Store } from "./store.ts";
import { decodeRow, tableNames, tables, type Database } from "./tables.ts";

const eventsPerStep = 2_000;

/** A row that differs between the live tables and those that the log gives. */
export interface Difference {
  table: string;
  key: string;
  /** Canonical JSON of the row; undefined where there is none. */
  live: string | undefined;
  rebuilt: string | undefined;
}

/**
 * Drops the tables' rows and fills them from the log alone, in one turn of the writer. Returns the number of events.
 *
 * @throws if an event cannot be read or applied; nothing is then changed
 */
export async function rebuild(store: Store): Promise<number> {
  return store.transact("rebuild", async ({ db: trx }) => {
    for (const table of tableNames) await trx.deleteFrom(table).execute();
    const draft = new Draft();
    let count = 0;
    for await (const events of eventsInSteps(trx)) {
      await draft.load(trx, events.flatMap(touchedRows));
      for (const event of events) applyEvent(draft, event);
      await draft.flush(trx);
      count += events.length;
    }
    return count;
  });
}

/**
 * Applies the whole log in memory and lists every row that differs from the live tables. Changes nothing, and takes
 * a turn of the writer so that log and tables are those of one moment.
 *
 * @throws if an event cannot be read or applied
 */
export async function compareWithLog(store: Store): Promise<Difference[]> {
  return store.transact("compare", async ({ db: trx }) => {
    const state = new MemoryState();
    for await (const events of eventsInSteps(trx)) for (const event of events) applyEvent(state, event);
    const differences: Difference[] = [];
    for (const table of tableNames) differences.push(...(await compareTable(trx, table, state)));
    return differences;
  });
}

async function compareTable(db: Kysely<Database>, table: keyof Tables, state: MemoryState): Promise<Difference[]> {
  const rebuilt = new Map(state.entries(table).map(([key, row]) => [key, canonicalJson(row)]));
  const differences: Difference[] = [];
  for (const encoded of await db.selectFrom(table).selectAll().execute()) {
    const row = decodeRow(table, encoded as Partial<Database[typeof table]>) as unknown;
    const key = (tables[table].keyOf as (row: unknown) => string)(row);
    const live = canonicalJson(row);
    const other = rebuilt.get(key);
    if (other !== live) differences.push({ table, key, live, rebuilt: other });
    rebuilt.delete(key);
  }
  for (const [key, row] of rebuilt) differences.push({ table, key, live: undefined, rebuilt: row });
  return differences;
}

/** The whole log in order, some thousand events at a time. */
async function* eventsInSteps(db: Kysely<Database>): AsyncGenerator<LoggedEvent[]> {
  for (let position = 0; ;) {
    const rows = await db
      .selectFrom("events")
      .selectAll()
      .where("position", ">", position)
      .orderBy("position")
      .limit(eventsPerStep)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(loggedEvent);
    position = last.position;
  }
}
