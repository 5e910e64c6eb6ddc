import type { Experiment } from "../experiment.ts";
import type { Event } from "./event.ts";
import { issueCandidates } from "./issue-events.testing.ts";
import { MemoryState } from "./memory-state.ts";
import { applyEvent, currentEvent, sealEvent, type DomainEvent } from "./registry.ts";

/** A small experiment with every member that the schema knows. */
export const definition: Experiment = {
  name: "small",
  question: null,
  hypothesis: 'größer is "better"',
  metrics: { loss: { goal: "minimize", range: [0, null], unit: null } },
  primary_metric: "loss",
  arms: {
    a: { role: "baseline", parameters: { lr: 0.1 }, needs: [], metrics: null, artifacts: null },
    b: { role: "ours", parameters: { lr: 1e-7 }, needs: [], metrics: null, artifacts: null },
  },
  tasks: { t: { parameters: {} } },
  parameters: {},
  seeds: [0, 1],
  code: ["."],
  environment: { manager: "none", lock: null, setup: null, variables: {}, pass: [] },
  needs: [],
  inputs: {},
  run: ["true"],
  resources: { cpus: 1, gpus: 0, gpu_memory: null, memory: null, time: null },
  outputs: { result: "result.json", artifacts: [] },
  checks: { chance: {}, same_inputs: false, zero_allowed: [], constant_allowed: [] },
  stages: [],
  decision: null,
  budget: { gpu_hours: null, wall: 3_600 },
  retry: { infrastructure: 3, preemption: "unlimited", code: 0 },
  compute: ["local"],
};

/** Ids that random events are about: few, so that they meet. */
export interface Pool {
  computes: string[];
  experiments: string[];
  runs: string[];
  /** Attempts of each run. */
  attempts: number;
  issues: string[];
}

export const attemptId = (run: string, number: number): string => `${run}-${number}`;

/** Every kind of event about every member of the pool, whether it fits the present state or not. */
export function candidates(pool: Pool): DomainEvent[] {
  return [
    ...pool.experiments.flatMap((id, index) => experimentCandidates(id, index + 1)),
    ...pool.runs.flatMap((run, index) => [
      ...runCandidates(run),
      ...pool.experiments.flatMap((experiment) => placementCandidates(run, experiment, index)),
      ...Array.from({ length: pool.attempts }, (_, number) => attemptCandidates(run, number + 1)).flat(),
    ]),
    ...pool.computes.flatMap(computeCandidates),
    ...pool.issues.flatMap(issueCandidates),
  ];
}

function experimentCandidates(entity: string, version: number): DomainEvent[] {
  return [
    {
      kind: "experiment.created",
      entity,
      data: {
        name: "small",
        version,
        plan_hash: "0".repeat(64),
        definition,
        file: "experiment.yaml",
        source: { repository: "/r", commit: "c", base: null, branch: "main", dirty: true, code: { ".": "t" } },
        environment: { key: "k", manager: "none", lock: null, lock_hash: null, setup: null, local: {} },
        inputs: {},
        needs: {},
        search_path: "/bin",
        total_runs: 4,
        foreknowledge: { known_results: 0, preregistered: true, predecessor: null },
      },
    },
    { kind: "experiment.started", entity, data: {} },
    { kind: "experiment.placed", entity, data: { compute: ["lab1", "local"] } },
    { kind: "experiment.stage-started", entity, data: { stage: 1, reason: "the pilot passed" } },
    { kind: "experiment.held", entity, data: { code: "person", reason: "wait", options: ["release"] } },
    {
      kind: "experiment.released",
      entity,
      data: { note: "go", budget: { gpu_hours: 1, wall: null }, without_failed: true },
    },
    { kind: "experiment.released", entity, data: { note: "go", budget: null, without_failed: false } },
    { kind: "experiment.deciding", entity, data: {} },
    { kind: "experiment.decided", entity, data: { decision: { verdict: "supported", p: [0.01, null] } } },
    { kind: "experiment.reopened", entity, data: { reason: "rerun" } },
    { kind: "experiment.cancelled", entity, data: { reason: "enough" } },
    { kind: "experiment.archived", entity, data: { superseded_by: "e9" } },
    { kind: "check.failed", entity, data: { failures: [{ rule: "chance" }] } },
  ];
}

function computeCandidates(entity: string): DomainEvent[] {
  const configuration = { kind: "local", cpus: "auto", memory: "auto", gpus: [0] } as const;
  return [
    { kind: "compute.noted", entity, data: { configuration: { ...configuration, gpus: [...configuration.gpus] } } },
    { kind: "compute.identified", entity, data: { identity: "m1" } },
    { kind: "compute.rested", entity, data: { reason: "no\u0000 answer", until: "2030-01-01T00:00:00.000Z" } },
    { kind: "compute.drained", entity, data: { reason: "maintenance" } },
    { kind: "compute.resumed", entity, data: {} },
    { kind: "compute.checked", entity, data: { problems: [{ check: "disk", found: "full", remedy: null }] } },
  ];
}

function placementCandidates(run: string, experiment: string, position: number): DomainEvent[] {
  const at = { experiment_id: experiment, position, arm: "a", task: "t", grid: { lr: 0.5 } };
  const placement = { ...at, seed: position, stages: [1, 0], in_final_stage: position % 2 === 0 };
  return [
    { kind: "run.created", entity: run, data: { parameters: { lr: 0.1, ключ: [1, null] }, needs: {}, placement } },
    { kind: "run.shared", entity: run, data: { placement } },
  ];
}

function runCandidates(entity: string): DomainEvent[] {
  const reason = { code: "network", message: "lost\u0000the \ud800 host" };
  return [
    { kind: "run.failed", entity, data: { reason } },
    {
      kind: "run.retried",
      entity,
      data: { reason, retries: { infrastructure: 2, preemption: 1, code: 0 }, not_before: "2030-01-01T00:00:00.000Z" },
    },
    { kind: "run.requeued", entity, data: { reason: "again" } },
    { kind: "run.invalidated", entity, data: { reason } },
    { kind: "run.restored", entity, data: { reason: "the range was corrected" } },
    { kind: "run.held", entity, data: { reason } },
    { kind: "run.released", entity, data: { note: "go" } },
    { kind: "run.cancelled", entity, data: { reason } },
  ];
}

/** What can be said about one attempt, its run's completion by it included. */
export function attemptCandidates(run: string, number: number): DomainEvent[] {
  const entity = attemptId(run, number);
  const ends = ["succeeded", "failed", "preempted", "timed-out", "lost", "cancelled"] as const;
  return [
    {
      kind: "attempt.queued",
      entity,
      data: {
        run_id: run,
        experiment_id: "e1",
        number,
        compute: "local",
        compute_id: "local",
        host: "local",
        directory: `attempts/${entity}`,
        lease: { cpus: 1, memory: 0, gpus: ["0"] },
        resources: { cpus: 1, gpus: 1, gpu_memory: null, memory: null, time: 60 },
        needs: {},
      },
    },
    { kind: "attempt.staging", entity, data: {} },
    { kind: "attempt.adopted", entity, data: { directory: `elsewhere/${entity}` } },
    { kind: "attempt.submitted", entity, data: { job: null } },
    {
      kind: "attempt.started",
      entity,
      data: { process: { pid: 7, started: "1" }, started_at: "2030-01-01T00:00:01.000Z" },
    },
    ...ends.map((state): DomainEvent => ({
      kind: "attempt.finished",
      entity,
      data: {
        state,
        exit: { code: state === "succeeded" ? 0 : 1, signal: null },
        category: state === "failed" ? "unknown" : null,
        evidence: state === "failed" ? "a line with \u0000 in it" : null,
        started_at: null,
        finished_at: "2030-01-01T00:00:02.000Z",
        duration: 1.25,
        memory_peak: 3e9,
        gpu_memory_peak: null,
      },
    })),
    {
      kind: "result.recorded",
      entity,
      data: {
        run_id: run,
        metrics: { loss: 0.1 + 0.2, tiny: 5e-324 },
        inputs_hash: null,
        artifacts: [{ path: "model.bin", sha256: "0".repeat(64), size: 2 ** 40 }],
        outputs_hash: "0".repeat(64),
        warnings: ["result.json: the metric `a` is NaN."],
      },
    },
    { kind: "run.completed", entity: run, data: { attempt_id: entity } },
  ];
}

/** A log in memory with the tables that it gives. */
export class MemoryLog {
  readonly state = new MemoryState();
  readonly events: Event[] = [];

  /**
   * Writes one event.
   *
   * @throws what `apply` throws
   */
  append(event: DomainEvent): Event {
    const { json, ...sealed } = sealEvent(event);
    const seq = this.events.length + 1;
    const time = new Date(seq * 1_000).toISOString();
    const logged = currentEvent({
      ...sealed,
      data: JSON.parse(json) as unknown,
      origin: "o",
      seq,
      time,
      actor: "test",
    });
    applyEvent(this.state, logged);
    this.events.push(logged);
    return logged;
  }

  /** Writes one event if it fits the state. */
  offer(event: DomainEvent): boolean {
    try {
      this.append(event);
      return true;
    } catch {
      // Refused: what it leaves behind is what the tests look at.
      return false;
    }
  }

  /** The log of these events. */
  static of(events: readonly DomainEvent[]): MemoryLog {
    const log = new MemoryLog();
    for (const event of events) log.append(event);
    return log;
  }
}

/** The events of a list of choices that fit, each to the state that those before it left. */
export function validHistory(pool: Pool, choices: readonly number[]): DomainEvent[] {
  const log = new MemoryLog();
  const all = candidates(pool);
  return choices.flatMap((choice) => {
    // Counting on from the choice finds one that fits, so that histories get somewhere.
    for (let step = 0; step < all.length; step++) {
      const event = all[(choice + step) % all.length];
      if (event !== undefined && log.offer(event)) return [event];
    }
    return [];
  });
}
