import type { z } from "zod";
import type { Tables } from "../records.ts";

/** A fact, as it stands in the log. An event is never edited. */
export interface Event<Kind extends string = string, Data = unknown> {
  /** The log that the event was first written to. `(origin, seq)` is globally unique. */
  origin: string;
  seq: number;
  /** ISO 8601, UTC. For people only: order is given by `seq`. */
  time: string;
  /** Who caused it: `person:NAME`, `daemon`. */
  actor: string;
  kind: Kind;
  version: number;
  /** Id of the experiment, run or attempt that the event is about. */
  entity: string;
  data: Data;
}

/** What a decision yields: an event before the log gives it a place. */
export type NewEvent<Kind extends string = string, Data = unknown> = Pick<
  Event<Kind, Data>,
  "kind" | "entity" | "data"
>;

/** Names one row. */
export interface RowRef {
  table: keyof Tables;
  key: string;
}

/** The rows that an event reads and writes; an in-memory draft of the tables. Rows are replaced, never changed. */
export interface State {
  get<Name extends keyof Tables>(table: Name, key: string): Tables[Name] | undefined;
  put<Name extends keyof Tables>(table: Name, key: string, row: Tables[Name]): void;
}

/** One kind of event: its schema, its version, the rows it touches, and what it does to them. */
export interface EventKind<Data> {
  version: number;
  schema: z.ZodType<Data>;
  /** Brings data of an older version to this one; asked only for versions below `version`. */
  upcast?: (data: unknown, fromVersion: number) => unknown;
  touches: (event: Event<string, Data>) => RowRef[];
  /** Changes the rows, or throws before it changed any. */
  apply: (state: State, event: Event<string, Data>) => void;
}

/** Lets the compiler infer the type of the data from the schema. */
export function eventKind<Data>(kind: EventKind<Data>): EventKind<Data> {
  return kind;
}

/** Key of a row in `placements`. */
export const placementKey = (experimentId: string, runId: string): string => `${experimentId}/${runId}`;

/** Key of a row in `needs`. */
export const needKey = (runId: string, folder: string): string => `${runId}/${folder}`;

/** The row that must exist for the event to make sense. */
export function existing<Name extends keyof Tables>(state: State, table: Name, key: string): Tables[Name] {
  const row = state.get(table, key);
  if (row === undefined) throw new MissingRowError(table, key);
  return row;
}

/** An event contradicts what the log says already: a second creation, or a reference that does not match. */
export class ContradictionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ContradictionError";
  }
}

/** An event is about something that the log never created. */
export class MissingRowError extends Error {
  constructor(table: string, key: string) {
    super(`the log has no row ${key} in ${table}`);
    this.name = "MissingRowError";
  }
}
