import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { AttemptRecord, RunRecord } from "../../domain/records.ts";
import { concludeAttempt } from "../../domain/rules/attempt-rules.ts";
import type { Candidate } from "./choice.ts";
import { attemptId, type Ended, type Live } from "../attempts/live.ts";

/** What follows from the end of an attempt. @param wanted runs that an experiment still waits for */
export function conclude(
  { live, outcome }: Ended,
  runs: ReadonlyMap<string, RunRecord>,
  wanted: ReadonlySet<string>,
  now: number,
): DomainEvent[] {
  const run = runs.get(live.run.id);
  if (run === undefined) throw new Error(`attempt ${live.attempt.id} belongs to no run`);
  const { outputs: _, missing_outputs: __, code_changed: ___, ...concluded } = outcome;
  const limits = { retry: live.experiment.definition.retry, isWanted: wanted.has(run.id) };
  return concludeAttempt(run, live.attempt, concluded, limits, now);
}

/**
 * The attempt to record for a candidate; none if its run is no longer waiting, or waits for a run that it needs.
 *
 * @param given what each run is given of those that it needs; no entry while one of them is not done
 * @param running experiments that are running now: somebody may have held one since the candidate was chosen
 */
export function intend(
  candidate: Candidate,
  runs: ReadonlyMap<string, RunRecord>,
  given: ReadonlyMap<string, AttemptRecord["needs"]>,
  running: ReadonlySet<string>,
  dataDirectory: string,
): Live[] {
  const run = runs.get(candidate.runId);
  const needs = given.get(candidate.runId);
  if (run?.state !== "pending" || needs === undefined || !running.has(candidate.experiment.id)) return [];
  const { experiment, lease, option } = candidate;
  const number = run.attempts + 1;
  const id = attemptId(run, number);
  const attempt: AttemptRecord = {
    id,
    run_id: run.id,
    experiment_id: experiment.id,
    number,
    state: "queued",
    compute: option.name,
    compute_id: option.id,
    // Which node of a cluster it will be is known when it starts.
    host: option.capacity?.host ?? option.name,
    directory: AttemptDirectory.in(dataDirectory, run.id, id).path,
    lease,
    fence: 0,
    resources: experiment.definition.resources,
    needs,
    job: null,
    process: null,
    exit: null,
    category: null,
    evidence: null,
    queued_at: new Date().toISOString(),
    started_at: null,
    finished_at: null,
    duration: null,
    memory_peak: null,
    gpu_memory_peak: null,
  };
  return [{ attempt, run, experiment }];
}

export function queuedEvent(attempt: AttemptRecord): DomainEvent {
  const { id, run_id, experiment_id, number, compute, compute_id, host, directory, lease, resources, needs } = attempt;
  const data = { run_id, experiment_id, number, compute, compute_id, host, directory, lease, resources, needs };
  return { kind: "attempt.queued", entity: id, data };
}
