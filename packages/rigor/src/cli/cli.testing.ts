import type { ExperimentSummary, Progress } from "../api/contract/views/experiments.ts";
import type { PlanView } from "../api/contract/views/plan.ts";
import type { ResultsView } from "../api/contract/views/results.ts";
import type { RunDetail, RunSummary } from "../api/contract/views/runs.ts";

/** Views for tests, each complete and overridable. Times are fixed. */

export const now = Date.parse("2026-01-01T00:01:00Z");

export function runCounts(counts: Partial<ExperimentSummary["counts"]>): ExperimentSummary["counts"] {
  return { pending: 0, active: 0, done: 0, failed: 0, held: 0, cancelled: 0, invalid: 0, ...counts };
}

export function experiment(change: Partial<ExperimentSummary> = {}): ExperimentSummary {
  return {
    id: "7c6b34af29c374a8",
    reference: "smoothing@1",
    name: "smoothing",
    version: 1,
    state: "running",
    outcome: null,
    question: "Which smoothing is best?",
    file: "experiment.yaml",
    repository: "/home/ada/lm",
    commit: "0123456789abcdef0123456789abcdef01234567",
    plan_hash: "fedcba",
    stage: { index: 0, name: "full", of: 1 },
    counts: runCounts({ done: 10 }),
    total_runs: 10,
    hold: null,
    waiting: [],
    waiting_for: [],
    retries: null,
    created_at: "2026-01-01T00:00:00Z",
    decided_at: null,
    ...change,
  };
}

export function progress(change: Partial<Progress> = {}): Progress {
  return {
    experiment: experiment({ counts: runCounts({ done: 33, failed: 1, active: 4, pending: 22 }), total_runs: 60 }),
    finished: 34,
    shared: 0,
    runs_per_second: 3.24,
    seconds_left: 8,
    elapsed: 42,
    preparing: null,
    waits_for: null,
    closed: [],
    active: [{ run_id: "3f9c2a71d0", arm: "ours", task: "news", seed: 0, seconds: 2, collecting: false }],
    ...change,
  };
}

export function run(change: Partial<RunSummary> = {}): RunSummary {
  return {
    id: "3f9c2a71d0aabbccddeeff",
    experiment: "smoothing@1",
    arm: "ours",
    task: "news",
    grid: {},
    seed: 3,
    state: "failed",
    stale: null,
    attempts: 1,
    metrics: null,
    reason: { code: "out-of-memory-host", message: "Killed" },
    waiting: null,
    collecting: false,
    waits_for: [],
    closed: [],
    host: "box",
    duration: 12,
    changed_at: "2026-01-01T00:00:30Z",
    ...change,
  };
}

export function runDetail(change: Partial<RunDetail> = {}): RunDetail {
  return {
    ...run(),
    needs: [],
    needed_by: [],
    declared_metrics: [],
    parameters: {},
    command: "sh run.sh",
    repeat: "",
    repeat_on: null,
    source: { repository: "/repository", commit: "c0ffee", base: null, branch: "main", dirty: false, code: {} },
    environment: { key: "none", manager: "none", lock: null, lock_hash: null, setup: null, local: {} },
    inputs: {},
    retries: { infrastructure: 0, preemption: 0, code: 0 },
    not_before: null,
    attempt_list: [],
    result: null,
    shared_by: ["smoothing@1"],
    ...change,
  };
}

export function plan(change: Partial<PlanView> = {}): PlanView {
  return {
    name: "smoothing",
    file: "experiment.yaml",
    plan_hash: "fedcba",
    repository: "/home/ada/lm",
    commit: "0123456789abcdef0123456789abcdef01234567",
    dirty: true,
    changed_files: ["train.py"],
    arms: ["base", "ours"],
    tasks: ["news"],
    grid: { lr: [0.1, 0.01] },
    seeds: [0, 1, 2, 3, 4],
    stages: [
      { name: "pilot", runs: 4, to_do: 0 },
      { name: "full", runs: 20, to_do: 12 },
    ],
    needs: [],
    total_runs: 20,
    done: 8,
    failed: 0,
    to_do: 12,
    command: "python3 train.py",
    environment: { manager: "uv", lock: "uv.lock", built: false },
    estimate: { seconds_per_run: 2, at_a_time: 4, seconds: 6, gpu_hours: 0 },
    memory: { asked: null, seen: null, proposed: null },
    gpu_memory: null,
    budget: { gpu_hours: null, wall: 3600 },
    compute: [{ name: "local", kind: "local", host: "box", fits: "fits" }],
    existing: null,
    unlisted_changes: [],
    notes: [],
    ...change,
  };
}

type Cell = ResultsView["tables"][number]["rows"][number]["cells"][number];
type ComparisonView = NonNullable<ResultsView["decision"]>["comparisons"][number];

export function cell(change: Partial<Cell> = {}): Cell {
  return {
    task: "news",
    n: 5,
    planned: 5,
    mean: 151.26,
    sd: 1.1,
    low: 149.9,
    high: 152.6,
    best: false,
    tied_with_best: false,
    values: [],
    ...change,
  };
}

export function comparison(change: Partial<ComparisonView> = {}): ComparisonView {
  return {
    better: "ours",
    than: "base",
    metric: "perplexity",
    goal: "minimize",
    unit: null,
    task: null,
    test: "paired-t",
    alpha: 0.05,
    min_effect: 1,
    n_better: 5,
    n_than: 5,
    n_pairs: 5,
    mean_better: 151.26,
    mean_than: 163.5,
    effect: 12.24,
    interval: { low: 10.1, high: 14.4, level: 0.95, method: "t" },
    cohen_d: 3,
    cohen_dz: 3,
    testable: true,
    method: "t",
    statistic: 20,
    df: 4,
    p: 0.00002,
    adjusted_p: 0.00002,
    min_effect_p: 0.0001,
    min_effect_adjusted_p: 0.0001,
    missing: [],
    verdict: "supported",
    reason: "ours against base on perplexity: effect 12.2 (95 % interval 10.1 to 14.4), adjusted p < 0.0001, 5 pairs.",
    run_ids: [],
    ...change,
  };
}

export function results(change: Partial<ResultsView> = {}): ResultsView {
  return {
    experiment: experiment({ state: "decided", outcome: "supported" }),
    hypothesis: null,
    tables: [
      {
        metric: "perplexity",
        goal: "minimize",
        unit: null,
        level: 0.95,
        columns: ["news"],
        rows: [
          { arm: "base", role: "baseline", grid: {}, cells: [cell({ mean: 163.5, low: 160.1, high: 166.9 })] },
          { arm: "ours", role: "ours", grid: {}, cells: [cell({ best: true })] },
        ],
      },
    ],
    decision: {
      outcome: "supported",
      reason: "The comparison is supported.",
      correction: "holm",
      comparisons: [comparison()],
      rule_hash: "abc",
      preregistered: true,
      notes: [],
      confidence: { cap: "moderate", reasons: ["no run was reproduced"] },
    },
    provisional: false,
    commits: [],
    stale: false,
    unlisted_changes: [],
    notes: [],
    check_failures: [],
    missing_runs: 0,
    where: {
      data_directory: "/home/ada/.rigor",
      attempts: "/home/ada/.rigor/attempts",
      repository: "/home/ada/lm",
      commit: "0123456789abcdef0123456789abcdef01234567",
      file: "experiment.yaml",
    },
    ...change,
  };
}
