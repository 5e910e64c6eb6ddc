import type { Tables } from "../domain/records.ts";

/** How a member of a record is kept in a column: JSON as text and booleans as 0 or 1, alike in both databases. */
export type ColumnKind = "plain" | "json" | "boolean";

/** What the store has to know of a table that events are applied to. */
export interface Table<Name extends keyof Tables> {
  /** Columns of the primary key. */
  key: (keyof Tables[Name] & string)[];
  keyOf: (row: Tables[Name]) => string;
  columns: Record<keyof Tables[Name] & string, ColumnKind>;
}
