import type { Generated } from "kysely";
import { placementKey } from "../domain/events/event.ts";
import type { Tables } from "../domain/records.ts";

/** How a member of a record is kept in a column: JSON as text and booleans as 0 or 1, alike in both databases. */
type ColumnKind = "plain" | "json" | "boolean";

type Encode<Value> = Value extends boolean ? number : Value extends string | number | null ? Value : string;
type Encoded<Row> = { [Column in keyof Row]: Encode<Row[Column]> };

export interface EventRow {
  /** Order of arrival in this database: the order of rebuilding and of streams. */
  position: Generated<number>;
  origin: string;
  seq: number;
  time: string;
  actor: string;
  kind: string;
  version: number;
  entity: string;
  data: string;
}

export interface MetricPointRow {
  attempt_id: string;
  /** Byte offset of the line in `metrics.jsonl`: reading a line twice changes nothing. */
  line_offset: number;
  name: string;
  /** Null where the line has none. */
  step: number | null;
  value: number;
}

export type Database = { [Name in keyof Tables]: Encoded<Tables[Name]> } & {
  events: EventRow;
  metric_points: MetricPointRow;
  meta: { key: string; value: string };
};

interface Table<Name extends keyof Tables> {
  /** Columns of the primary key. */
  key: (keyof Tables[Name] & string)[];
  keyOf: (row: Tables[Name]) => string;
  columns: Record<keyof Tables[Name] & string, ColumnKind>;
}

/** Every table that events are applied to. */
export const tables: { [Name in keyof Tables]: Table<Name> } = {
  experiments: {
    key: ["id"],
    keyOf: (row) => row.id,
    columns: {
      id: "plain",
      name: "plain",
      version: "plain",
      state: "plain",
      plan_hash: "plain",
      definition: "json",
      file: "plain",
      source: "json",
      environment: "json",
      inputs: "json",
      search_path: "plain",
      total_runs: "plain",
      stage: "plain",
      hold: "json",
      decision: "json",
      check_failures: "json",
      budget: "json",
      compute: "json",
      without_failed: "boolean",
      foreknowledge: "json",
      running: "json",
      created_by: "plain",
      created_at: "plain",
      decided_at: "plain",
    },
  },
  runs: {
    key: ["id"],
    keyOf: (row) => row.id,
    columns: {
      id: "plain",
      state: "plain",
      experiment_id: "plain",
      arm: "plain",
      task: "plain",
      parameters: "json",
      seed: "plain",
      attempts: "plain",
      resume_from: "plain",
      current_attempt: "plain",
      retries: "json",
      not_before: "plain",
      reason: "json",
      result_attempt: "plain",
      created_at: "plain",
      changed_at: "plain",
    },
  },
  placements: {
    key: ["experiment_id", "run_id"],
    keyOf: (row) => placementKey(row.experiment_id, row.run_id),
    columns: {
      experiment_id: "plain",
      run_id: "plain",
      position: "plain",
      arm: "plain",
      task: "plain",
      grid: "json",
      seed: "plain",
      stages: "json",
      first_stage: "plain",
      in_final_stage: "boolean",
    },
  },
  attempts: {
    key: ["id"],
    keyOf: (row) => row.id,
    columns: {
      id: "plain",
      run_id: "plain",
      experiment_id: "plain",
      number: "plain",
      state: "plain",
      compute: "plain",
      compute_id: "plain",
      host: "plain",
      directory: "plain",
      lease: "json",
      fence: "plain",
      resources: "json",
      process: "json",
      exit: "json",
      category: "plain",
      evidence: "plain",
      queued_at: "plain",
      started_at: "plain",
      finished_at: "plain",
      duration: "plain",
    },
  },
  results: {
    key: ["attempt_id"],
    keyOf: (row) => row.attempt_id,
    columns: {
      attempt_id: "plain",
      run_id: "plain",
      metrics: "json",
      inputs_hash: "plain",
      artifacts: "json",
      warnings: "json",
      recorded_at: "plain",
    },
  },
  computes: {
    key: ["id"],
    keyOf: (row) => row.id,
    columns: {
      id: "plain",
      configuration: "json",
      state: "plain",
      reason: "plain",
      until: "plain",
      checked_at: "plain",
      problems: "json",
    },
  },
};

export const tableNames = Object.keys(tables) as (keyof Tables)[];

/** A record as its columns. */
export function encodeRow<Name extends keyof Tables>(name: Name, row: Tables[Name]): Record<string, unknown> {
  const encoded: Record<string, unknown> = {};
  for (const [column, kind] of Object.entries(tables[name].columns)) {
    const value = row[column as keyof Tables[Name]];
    encoded[column] = kind === "json" ? JSON.stringify(value) : kind === "boolean" ? Number(value) : value;
  }
  return encoded;
}

/** Columns as a record. Columns that were not selected are left out; those of other tables go through. */
export function decodeRow<Name extends keyof Tables, Row extends Partial<Database[Name]>>(
  name: Name,
  row: Row,
): Omit<Row, keyof Tables[Name]> & Pick<Tables[Name], keyof Row & keyof Tables[Name]> {
  const decoded: Record<string, unknown> = { ...row };
  for (const [column, kind] of Object.entries(tables[name].columns)) {
    const value = decoded[column];
    if (value === undefined || kind === "plain") continue;
    decoded[column] = kind === "json" ? (JSON.parse(value as string) as unknown) : value === 1;
  }
  return decoded as Omit<Row, keyof Tables[Name]> & Pick<Tables[Name], keyof Row & keyof Tables[Name]>;
}
