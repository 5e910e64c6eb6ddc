import type { DomainEvent } from "../events/registry.ts";
import type { Experiment } from "../experiment.ts";
import { attemptLifecycle, isFinal } from "../lifecycle.ts";
import type { AttemptRecord, ExitStatus, Reason, ResultRecord, RunRecord } from "../records.ts";

/** Whether a failed run is tried again. */
export interface RetryLimits {
  retry: Experiment["retry"];
  /** An experiment that is not over asks for the run. */
  isWanted: boolean;
}

/** Which of the limits in `retry` a failure counts against. */
export type RetryClass = keyof RunRecord["retries"];

/** How an attempt ended, as its witnesses show. */
export interface AttemptOutcome {
  state: "succeeded" | "failed" | "preempted" | "timed-out" | "lost" | "cancelled";
  exit: ExitStatus | null;
  /** Category of the failure; null when it succeeded or was cancelled. */
  category: string | null;
  evidence: string | null;
  retry_class: RetryClass;
  started_at: string | null;
  finished_at: string;
  /** Seconds. */
  duration: number | null;
  /** Bytes, as in the record of the attempt. */
  memory_peak: number | null;
  gpu_memory_peak: number | null;
  /** The machine that executed it, by its own name, where that is known. */
  host?: string;
  result: Pick<ResultRecord, "metrics" | "inputs_hash" | "artifacts" | "outputs_hash" | "warnings"> | null;
  /** Checks of this run alone that failed. */
  check_failures: Reason[];
}

/** The rule that the code which a run started in is as it was committed, until the run has ended. */
export const codeUnchanged = "code-unchanged";

/** First pause before a retry, in seconds; each further one of the same class is four times as long. */
const firstPause = 5;
export const longestPause = 600;

/** Seconds to wait before the retry that follows this many earlier ones. */
export function retryPause(earlier: number): number {
  return Math.min(longestPause, firstPause * 4 ** earlier);
}

/**
 * What follows from the end of an attempt: its record, its result, and what becomes of its run. An attempt that is
 * no longer its run's present one only gets its record: a late answer never reverts what was decided since.
 *
 * @param limits how often a failure is retried, and whether an experiment still waits for the run: nothing would start
 *   a retry that nobody waits for
 * @param now epoch milliseconds, from which the time of a retry is counted
 */
export function concludeAttempt(
  run: RunRecord,
  attempt: AttemptRecord,
  outcome: AttemptOutcome,
  limits: RetryLimits,
  now: number,
): DomainEvent[] {
  if (isFinal(attemptLifecycle, attempt.state)) return [];
  const { result, check_failures: failures, retry_class: retryClass, ...finished } = outcome;
  const events: DomainEvent[] = [{ kind: "attempt.finished", entity: attempt.id, data: finished }];
  const present = run.state === "active" && run.current_attempt === attempt.id;
  if (!present) return events;

  if (outcome.state === "succeeded" && result !== null) {
    events.push({ kind: "result.recorded", entity: attempt.id, data: { run_id: run.id, ...result } });
    events.push({ kind: "run.completed", entity: run.id, data: { attempt_id: attempt.id } });
    const [first] = failures;
    if (first !== undefined)
      events.push({ kind: "run.invalidated", entity: run.id, data: { reason: joined(failures, first) } });
    return events;
  }

  const reason: Reason = {
    code: outcome.category ?? outcome.state,
    message: outcome.evidence ?? `the attempt ended as ${outcome.state}`,
  };
  if (outcome.state === "cancelled") return [...events, { kind: "run.cancelled", entity: run.id, data: { reason } }];
  return [...events, afterFailure(run, reason, retryClass, limits, now)];
}

/** One reason for all failed checks, named by the first. */
function joined(failures: Reason[], first: Reason): Reason {
  return { code: first.code, message: failures.map((failure) => failure.message).join("; ") };
}

function afterFailure(
  run: RunRecord,
  reason: Reason,
  retryClass: RetryClass,
  { retry, isWanted }: RetryLimits,
  now: number,
): DomainEvent {
  const used = run.retries[retryClass];
  const limit = retry[retryClass];
  if (limit !== "unlimited" && used >= limit) {
    return { kind: "run.failed", entity: run.id, data: { reason } };
  }
  if (!isWanted) {
    const message = `${reason.message} It is not retried: no experiment waits for it any more.`;
    return { kind: "run.cancelled", entity: run.id, data: { reason: { ...reason, message } } };
  }
  return {
    kind: "run.retried",
    entity: run.id,
    data: {
      reason,
      retries: { ...run.retries, [retryClass]: used + 1 },
      not_before: new Date(now + retryPause(used) * 1_000).toISOString(),
    },
  };
}
