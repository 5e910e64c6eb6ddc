import { definition, MemoryLog } from "../events/events.testing.ts";
import type { DomainEvent } from "../events/registry.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../records.ts";
import { concludeAttempt, type AttemptOutcome } from "./attempt-rules.ts";
import { emptyTally, nextExperimentStep } from "./experiment-rules.ts";
import type { Release } from "./person-rules.ts";

export const experimentId = "e1";
export const runIds = ["a".repeat(64), "b".repeat(64), "c".repeat(64)];
export const retry = { infrastructure: 2, preemption: 1, code: 0 } as const;
const stages = [
  { name: "pilot", seeds: [0], arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } },
  { name: "full", seeds: null, arms: null, tasks: null, pass: { all_succeed: true, metrics: [] } },
];

/** An experiment of two stages with three runs, driven by the rules alone: a bench without machine and database. */
export class PaperBench {
  readonly log = new MemoryLog();
  /** Attempts that were seen to be under way, also when their run went on without them. */
  readonly started: string[] = [];
  now = Date.parse("2030-01-01T00:00:00Z");

  constructor() {
    const parts = { repository: "/r", commit: "c", base: null, branch: null, dirty: false, code: { ".": "t" } };
    this.append([
      {
        kind: "experiment.created",
        entity: experimentId,
        data: {
          name: "paper",
          version: 1,
          plan_hash: "0".repeat(64),
          definition: { ...definition, stages, retry },
          file: "experiment.yaml",
          source: parts,
          environment: { key: "k", manager: "none", lock: null, lock_hash: null, setup: null, local: {} },
          inputs: {},
          needs: {},
          search_path: "/bin",
          total_runs: runIds.length,
          foreknowledge: { known_results: 0, preregistered: true, predecessor: null },
        },
      },
      ...runIds.map((id, position): DomainEvent => {
        const at = { experiment_id: experimentId, position, arm: "a", task: "t", grid: {}, seed: position };
        const placement = { ...at, stages: position === 0 ? [0, 1] : [1], in_final_stage: true };
        return { kind: "run.created", entity: id, data: { parameters: { lr: 1 }, needs: {}, placement } };
      }),
      { kind: "experiment.started", entity: experimentId, data: {} },
    ]);
  }

  append(events: readonly DomainEvent[]): void {
    for (const event of events) this.log.append(event);
  }

  get experiment(): ExperimentRecord {
    return found(this.log.state.get("experiments", experimentId));
  }
  get runs(): RunRecord[] {
    return runIds.map((id) => found(this.log.state.get("runs", id)));
  }
  attempt(id: string): AttemptRecord {
    return found(this.log.state.get("attempts", id));
  }
  get heldRuns(): RunRecord[] {
    return this.runs.filter((run) => run.state === "held");
  }

  /** The dispatcher: a pending run of a stage that has begun starts, when its pause is over. */
  start(index: number): void {
    const run = found(this.runs[index]);
    const stage = index === 0 ? 0 : 1;
    if (this.experiment.state !== "running" || run.state !== "pending" || this.experiment.stage < stage) return;
    this.now = Math.max(this.now, run.not_before === null ? 0 : Date.parse(run.not_before));
    const id = `${run.id.slice(0, 16)}-${run.attempts + 1}`;
    const resources = { cpus: 1, gpus: 0, gpu_memory: null, memory: null, time: null };
    const where = {
      compute: "local",
      compute_id: "local",
      host: "h",
      directory: "/d",
      lease: { cpus: 1, memory: 0, gpus: [] },
      resources,
      needs: {},
    };
    const of = { run_id: run.id, experiment_id: experimentId, number: run.attempts + 1 };
    this.append([
      { kind: "attempt.queued", entity: id, data: { ...of, ...where } },
      { kind: "attempt.submitted", entity: id, data: { job: null } },
    ]);
    this.started.push(id);
  }

  conclude(id: string, outcome: AttemptOutcome): DomainEvent[] {
    const attempt = this.attempt(id);
    const run = found(this.log.state.get("runs", attempt.run_id));
    const events = concludeAttempt(
      run,
      attempt,
      outcome,
      { retry: this.experiment.definition.retry, isWanted: true },
      this.now,
    );
    this.append(events);
    return events;
  }

  advance(): void {
    const tally = emptyTally();
    const inStage = this.runs.filter((_, index) => index === 0 || this.experiment.stage === 1);
    for (const run of inStage) tally[run.state] += 1;
    const step = nextExperimentStep(this.experiment, { tally, measurements: [] });
    if (step.do === "append") this.append(step.events);
    if (step.do === "decide") {
      this.append([
        { kind: "experiment.deciding", entity: experimentId, data: {} },
        { kind: "experiment.decided", entity: experimentId, data: { decision: null } },
      ]);
    }
  }
}

export function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("it is not there");
  return value;
}

export function outcome(state: AttemptOutcome["state"], changes: Partial<AttemptOutcome> = {}): AttemptOutcome {
  const succeeded = state === "succeeded";
  return {
    state,
    exit: { code: succeeded ? 0 : 1, signal: null },
    category: succeeded || state === "cancelled" ? null : "unknown",
    evidence: succeeded ? null : "a line",
    retry_class: "code",
    started_at: null,
    finished_at: "2030-01-01T00:00:01.000Z",
    duration: 1,
    memory_peak: null,
    gpu_memory_peak: null,
    result: succeeded
      ? { metrics: { loss: 1 }, inputs_hash: null, artifacts: [], outputs_hash: "0".repeat(64), warnings: [] }
      : null,
    check_failures: [],
    ...changes,
  };
}

export const failedRuns = (bench: PaperBench) =>
  bench.runs.filter(({ state }) => ["failed", "invalid", "cancelled"].includes(state));
export const release = (changes: Partial<Release> = {}): Release => ({
  note: "go",
  budget: null,
  without_failed: false,
  ...changes,
});
