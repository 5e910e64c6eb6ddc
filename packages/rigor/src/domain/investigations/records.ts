import type { Lifecycle } from "../lifecycle.ts";
import type { Explanation, Summary } from "./explanation.ts";

export type InvestigationState = "waiting" | "running" | "ended";

/**
 * One agent with measuring tools that answers one question. It waits until the limits of agents let it begin; how far its
 * agent is then says the state of its session.
 */
export const investigationLifecycle: Lifecycle<InvestigationState> = {
  noun: "investigation",
  initial: "waiting",
  transitions: { waiting: ["running", "ended"], running: ["ended"], ended: [] },
};

/** `answered` and `open` are the agent's own words; no other end is taken for them. */
export const investigationOutcomes = ["answered", "open", "silent", "stopped", "failed"] as const;
export type InvestigationOutcome = (typeof investigationOutcomes)[number];

export interface InvestigationRecord {
  id: string;
  /** Counts the investigations of the lab from 1. */
  number: number;
  /** The user's repository, as a real path. */
  project: string;
  question: string;
  state: InvestigationState;
  /** Names of its tool servers; how they are started stands in its directory, because it may hold secrets. */
  servers: string[];
  /** Name of the compute that its servers run on, where they name none themselves; null starts them beside the daemon. */
  compute: string | null;
  /** The commit whose code servers on a compute run; null where all of them are started beside the daemon. */
  commit: string | null;
  /** Answers of the model that it may take; null for the role's own limit. */
  max_turns: number | null;
  directory: string;
  session_id: string;
  explanations: Explanation[];
  summary: Summary | null;
  /** The tool server that ended under it. */
  disruption: { server: string; evidence: string } | null;
  outcome: InvestigationOutcome | null;
  /** What shows the outcome, and what a person can do. */
  evidence: string | null;
  next: string | null;
  started_by: string;
  started_at: string;
  ended_at: string | null;
}

/** A tool server as a job of a compute: one try. It holds its lease until it is known to have ended. */
export interface ToolJobRecord {
  /** The attempt, as the compute's executor knows it. */
  id: string;
  investigation_id: string;
  server: string;
  /** The user's repository, as a real path. */
  repository: string;
  /** As rigor.yaml names it, and its id. */
  compute: string;
  compute_id: string;
  lease: { cpus: number; memory: number; gpus: string[] };
  placed_at: string;
  ended_at: string | null;
  /** What shows how it ended. */
  evidence: string | null;
}

export interface InvestigationTables {
  investigations: InvestigationRecord;
  tool_jobs: ToolJobRecord;
}
