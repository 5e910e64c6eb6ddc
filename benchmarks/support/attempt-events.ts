import type { DomainEvent } from "../../packages/rigor/src/domain/events/registry.ts";
import type { Resources } from "../../packages/rigor/src/domain/experiment.ts";

/** What one successful run on one host writes to the log, from the queue to its result. */
export function successfulAttempt(attempt: {
  id: string;
  runId: string;
  experimentId: string;
  resources: Resources;
  metrics: Record<string, number>;
}): DomainEvent[] {
  const { id: entity, runId, experimentId, resources, metrics } = attempt;
  const at = new Date(0).toISOString();
  return [
    {
      kind: "attempt.queued",
      entity,
      data: {
        run_id: runId,
        experiment_id: experimentId,
        number: 1,
        compute: "local",
        compute_id: "local",
        host: "simulated",
        directory: `/data/attempts/${entity}`,
        lease: { cpus: 1, memory: 1e6, gpus: [] },
        resources,
        needs: {},
      },
    },
    { kind: "attempt.submitted", entity, data: { job: null } },
    { kind: "attempt.started", entity, data: { process: { pid: 4_000, started: "12345" }, started_at: at } },
    {
      kind: "attempt.finished",
      entity,
      data: {
        state: "succeeded",
        exit: { code: 0, signal: null },
        category: null,
        evidence: null,
        started_at: at,
        finished_at: at,
        duration: 1.5,
        memory_peak: null,
        gpu_memory_peak: null,
      },
    },
    {
      kind: "result.recorded",
      entity,
      data: { run_id: runId, metrics, inputs_hash: null, artifacts: [], outputs_hash: "0".repeat(64), warnings: [] },
    },
    { kind: "run.completed", entity: runId, data: { attempt_id: entity } },
  ];
}
