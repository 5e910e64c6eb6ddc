import type { Kysely, Transaction as KyselyTransaction } from "kysely";
import type { RowRef, State } from "../domain/events/event.ts";
import type { Tables } from "../domain/records.ts";
import { portions } from "./portions.ts";
import { decodeRow, encodeRow, tableNames, tables, type Database } from "./tables.ts";

/** Below the limits of both databases. */
const parametersPerInsert = 16_000;

/**
 * The rows that the events of one transaction touch: read in bulk before they are applied, written in bulk after.
 */
export class Draft implements State {
  readonly #rows = new Map<string, unknown>();
  readonly #known = new Set<string>();
  readonly #changed = new Map<keyof Tables, Map<string, unknown>>();

  get<Name extends keyof Tables>(table: Name, key: string): Tables[Name] | undefined {
    const id = `${table} ${key}`;
    if (!this.#known.has(id)) throw new Error(`${id} was not declared by the event that reads it`);
    return this.#rows.get(id) as Tables[Name] | undefined;
  }

  put<Name extends keyof Tables>(table: Name, key: string, row: Tables[Name]): void {
    const id = `${table} ${key}`;
    this.#known.add(id);
    this.#rows.set(id, row);
    let changed = this.#changed.get(table);
    if (changed === undefined) this.#changed.set(table, (changed = new Map<string, unknown>()));
    changed.set(key, row);
  }

  /** Reads the rows that are not in the draft yet. */
  async load(db: Kysely<Database>, refs: readonly RowRef[]): Promise<void> {
    for (const table of tableNames) {
      const keys = new Set<string>();
      for (const ref of refs) if (ref.table === table && !this.#known.has(`${table} ${ref.key}`)) keys.add(ref.key);
      if (keys.size > 0) await this.#loadTable(db, table, [...keys]);
    }
  }

  async #loadTable(db: Kysely<Database>, table: keyof Tables, keys: string[]): Promise<void> {
    for (const portion of portions(keys)) {
      for (const row of await selectByKeys(db, table, portion)) {
        const key = (tables[table].keyOf as (row: unknown) => string)(row);
        this.#rows.set(`${table} ${key}`, row);
      }
      for (const key of portion) this.#known.add(`${table} ${key}`);
    }
  }

  /** Writes the rows that changed since the last time. */
  async flush(db: KyselyTransaction<Database>): Promise<void> {
    for (const [table, changed] of this.#changed) {
      const columns = Object.keys(tables[table].columns);
      const rows = [...changed.values()].map((row) => encodeRow(table, row as Tables[typeof table]));
      const perInsert = Math.floor(parametersPerInsert / columns.length);
      for (let start = 0; start < rows.length; start += perInsert) {
        await upsert(db, table, columns, rows.slice(start, start + perInsert));
      }
    }
    this.#changed.clear();
  }
}

/** The query builder with the table's type forgotten: the table is chosen at run time. */
type AnyTable = Kysely<Record<string, Record<string, unknown>>>;

async function selectByKeys(db: Kysely<Database>, table: keyof Tables, keys: readonly string[]): Promise<unknown[]> {
  const query = (db as unknown as AnyTable).selectFrom(table).selectAll();
  const [first, second] = tables[table].key;
  const rows =
    second === undefined
      ? await query.where(first as string, "in", keys).execute()
      : await query
          .where(({ eb, or }) =>
            or(
              keys.map((key) => {
                const [a, b] = splitKey(key);
                return eb(first as string, "=", a).and(second, "=", b);
              }),
            ),
          )
          .execute();
  return rows.map((row) => decodeRow(table, row));
}

function splitKey(key: string): [string, string] {
  const at = key.indexOf("/");
  return [key.slice(0, at), key.slice(at + 1)];
}

async function upsert(
  db: Kysely<Database>,
  table: keyof Tables,
  columns: string[],
  rows: Record<string, unknown>[],
): Promise<void> {
  const key: string[] = tables[table].key;
  await (db as unknown as AnyTable)
    .insertInto(table)
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(key)
        .doUpdateSet(({ ref }) =>
          Object.fromEntries(
            columns.filter((column) => !key.includes(column)).map((column) => [column, ref(`excluded.${column}`)]),
          ),
        ),
    )
    .execute();
}
