import type { Tables } from "../records.ts";
import type { State } from "./event.ts";

/** All rows in memory, by table and key. */
export class MemoryState implements State {
  readonly #tables = new Map<string, Map<string, unknown>>();

  get<Name extends keyof Tables>(table: Name, key: string): Tables[Name] | undefined {
    return this.#tables.get(table)?.get(key) as Tables[Name] | undefined;
  }

  put<Name extends keyof Tables>(table: Name, key: string, row: Tables[Name]): void {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, (rows = new Map<string, unknown>()));
    rows.set(key, row);
  }

  entries<Name extends keyof Tables>(table: Name): [string, Tables[Name]][] {
    return [...(this.#tables.get(table) ?? [])] as [string, Tables[Name]][];
  }
}
