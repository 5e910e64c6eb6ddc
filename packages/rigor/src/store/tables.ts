import type { Generated } from "kysely";
import { needKey, placementKey } from "../domain/events/event.ts";
import type { Tables } from "../domain/records.ts";
import { issueTables } from "./issue-tables.ts";
import type { Table } from "./table.ts";

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

/** A job that waits at a scheduler: beside the log, because it changes all the time. */
export interface WaitingJobRow {
  attempt_id: string;
  reason: string | null;
  /** 1 when the scheduler will not start it without a person. */
  held: number;
  since: string;
}

/** A job that its scheduler has interrupted and starts again: beside the log, like what waits. */
export interface InterruptedJobRow {
  attempt_id: string;
  /** Seconds for which it ran, up to the last interruption. */
  ran: number;
  /** Since when it runs again; null while it waits. */
  since: string | null;
}

/**
 * An experiment that is ready on a compute: the daemon that drives the experiment says so to the one that drives the
 * compute, which starts its runs there.
 */
export interface OfferRow {
  experiment_id: string;
  compute_id: string;
  /** As `rigor.yaml` of the experiment's repository names the compute. */
  name: string;
  /** Its place in the order of preference; null when the experiment does not name it any more. */
  rank: number | null;
  /** The compute with the limits that stand in that `rigor.yaml`, as JSON. */
  configuration: string;
  /** Where code, environment and inputs are there, as JSON. */
  staged: string;
}

/** A daemon that shares the database, from its start to its end. All times are epoch seconds of the database's clock. */
export interface DaemonRow {
  id: string;
  /** The data directory that it works in: the same after a restart. */
  member: string;
  host: string;
  pid: number;
  data_directory: string;
  version: string;
  started_at: number;
  /** It renews this; when it is over, others may take what the daemon drives. */
  lives_until: number;
  /** When it stopped, or when another took something from it. It writes nothing after that. */
  ended_at: number | null;
  /** The daemon that took something from it. */
  ended_by: string | null;
}

/** Which daemon drives what: `experiment:ID`, `compute:MACHINE`, ... */
export interface DriverRow {
  resource: string;
  /** Null when it was let go. */
  daemon: string | null;
  /** Grows with each change of the daemon. */
  fence: number;
  /** The member that drove it first. */
  home: string;
  since: number;
}

export type Database = { [Name in keyof Tables]: Encoded<Tables[Name]> } & {
  events: EventRow;
  metric_points: MetricPointRow;
  waiting_jobs: WaitingJobRow;
  interrupted_jobs: InterruptedJobRow;
  offers: OfferRow;
  daemons: DaemonRow;
  drivers: DriverRow;
  meta: { key: string; value: string };
};

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
      needs: "json",
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
      needs: "json",
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
  needs: {
    key: ["run_id", "folder"],
    keyOf: (row) => needKey(row.run_id, row.folder),
    columns: { run_id: "plain", folder: "plain", needed: "plain" },
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
      needs: "json",
      job: "plain",
      process: "json",
      exit: "json",
      category: "plain",
      evidence: "plain",
      queued_at: "plain",
      started_at: "plain",
      finished_at: "plain",
      duration: "plain",
      memory_peak: "plain",
      gpu_memory_peak: "plain",
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
      outputs_hash: "plain",
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
      identity: "plain",
    },
  },
  ...issueTables,
  investigations: {
    key: ["id"],
    keyOf: (row) => row.id,
    columns: {
      id: "plain",
      number: "plain",
      project: "plain",
      question: "plain",
      state: "plain",
      servers: "json",
      compute: "plain",
      commit: "plain",
      max_turns: "plain",
      directory: "plain",
      session_id: "plain",
      explanations: "json",
      summary: "json",
      disruption: "json",
      outcome: "plain",
      evidence: "plain",
      next: "plain",
      started_by: "plain",
      started_at: "plain",
      ended_at: "plain",
    },
  },
  tool_jobs: {
    key: ["id"],
    keyOf: (row) => row.id,
    columns: {
      id: "plain",
      investigation_id: "plain",
      server: "plain",
      repository: "plain",
      compute: "plain",
      compute_id: "plain",
      lease: "json",
      placed_at: "plain",
      ended_at: "plain",
      evidence: "plain",
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
