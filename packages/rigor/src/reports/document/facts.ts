import type { Json } from "../../domain/canonical.ts";
import type { Experiment } from "../../domain/experiment.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { ConfidenceCap } from "../../statistics/confidence.ts";
import type { ComparisonResult } from "../../statistics/decision.ts";
import type { ResultCell, ResultTable } from "../../statistics/table.ts";
import type { ReportedDecision } from "../export.ts";
import type { ReportedComparison } from "../text-table.ts";

/** Everything recorded that a document may show. Its numbers come from here and from nowhere else. */
export interface DocumentFacts {
  experiment: {
    /** NAME@VERSION. */
    reference: string;
    /** The experiment file, relative to the repository. */
    file: string;
    plan_hash: string;
  };
  definition: Experiment;
  /** One for each declared metric, the primary one first. */
  tables: MeasuredTable[];
  /** Null without a decision rule. */
  decision: MeasuredDecision | null;
  /** What else a reader must know at present: checks that failed, runs without a result, stale code. */
  notes: string[];
  /** Those that count: of the final stage. */
  runs: DocumentRun[];
  confidence: ConfidenceCap;
  reproduction: Reproduction;
}

export type MeasuredTable = Omit<ResultTable, "rows"> & {
  rows: (Omit<ResultTable["rows"][number], "cells" | "role"> & { cells: MeasuredCell[] })[];
};

/** A cell with the number of seeds that the plan asks for. */
export type MeasuredCell = ResultCell & { planned: number };

export interface MeasuredDecision extends Omit<ReportedDecision, "comparisons"> {
  rule_hash: string;
  comparisons: MeasuredComparison[];
}

export type MeasuredComparison = ReportedComparison &
  Pick<ComparisonResult, "goal" | "alpha" | "min_effect" | "mean_better" | "mean_than" | "p" | "run_ids">;

export interface DocumentRun {
  run_id: string;
  arm: string;
  task: string;
  grid: Record<string, Json>;
  seed: number;
  state: RunState;
  /** Null for a run without a valid result. */
  result: {
    metrics: Record<string, number>;
    host: string;
    /** The commit that it was checked out from. */
    commit: string;
    /** ISO 8601, UTC. */
    finished_at: string | null;
  } | null;
}

/** What is needed to do it again. */
export interface Reproduction {
  /** Commits that the results were made from, the one with most runs first. */
  commits: { commit: string; runs: number }[];
  /** The commit that was checked out when a dirty tree was recorded as a snapshot; else null. */
  snapshot_of: string | null;
  /** The command with its placeholders. */
  command: string;
  environment: { manager: string; lock: string | null; lock_hash: string | null; setup: string | null };
  inputs: { name: string; path: string; sha256: string }[];
}
