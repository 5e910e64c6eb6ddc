import { AttemptDirectory } from "../compute/attempt-directory.ts";
import { readResult, type RunResult } from "../compute/collect.ts";
import type { JobStatus } from "../compute/executors/executor.ts";
import { classifyFailure, retryClass } from "../compute/failures.ts";
import type { ExitRecord } from "../compute/job.ts";
import { readLastText } from "../compute/tail.ts";
import type { AttemptRecord, ExperimentRecord } from "../domain/records.ts";
import type { AttemptOutcome } from "../domain/rules/attempt-rules.ts";
import { hashOutputs, type OutputFile } from "../provenance/manifest.ts";
import { checkRun } from "../statistics/checks.ts";

/** Bytes at the end of each log in which the cause of a failure is looked for. */
const evidenceBytes = 64 * 1024;

/** The last word on a job: its own record, or proof that it is dead without one. */
export type Ending = Extract<JobStatus, { state: "ended" | "gone" }>;

/** An outcome with the files behind it, for the manifest. */
export interface ObservedOutcome extends AttemptOutcome {
  outputs: OutputFile[];
  /** Declared outputs that are not there. */
  missing_outputs: string[];
}

/** How an attempt ended, from its directory and the last word of its executor. */
export async function observeOutcome(
  attempt: Pick<AttemptRecord, "directory" | "started_at">,
  experiment: ExperimentRecord,
  ending: Ending,
): Promise<ObservedOutcome> {
  const { result, artifacts } = experiment.definition.outputs;
  const { outputs, missing } = await hashOutputs(new AttemptDirectory(attempt.directory).output, [
    result,
    ...artifacts,
  ]);
  const declared = outputs.filter((file) => file.path !== result);
  const outcome = outcomeOf(attempt, experiment, ending, declared);
  return { ...outcome, outputs, missing_outputs: missing };
}

function outcomeOf(
  attempt: Pick<AttemptRecord, "directory" | "started_at">,
  experiment: ExperimentRecord,
  ending: Ending,
  artifacts: OutputFile[],
): AttemptOutcome {
  const directory = new AttemptDirectory(attempt.directory);
  if (ending.state === "gone") return withoutRecord(attempt, ending);
  const { exit } = ending;
  const times = timesOf(exit);
  if (exit.reason === "cancelled") return { ...noResult, ...times, state: "cancelled", exit: statusOf(exit) };
  if (exit.code === 0 && exit.reason === "exited") {
    const result = readResult(
      directory.output,
      experiment.definition.outputs.result,
      Object.keys(experiment.definition.metrics),
    );
    return result.ok
      ? succeeded(experiment, exit, result, artifacts)
      : { ...failed(directory, exit, result), ...times };
  }
  return { ...failed(directory, exit, null), ...times };
}

/** The end of an attempt whose files cannot be looked at, whatever the reason: it has no result. */
export function unreadableOutcome(
  attempt: Pick<AttemptRecord, "started_at">,
  ending: Ending,
  error: unknown,
): ObservedOutcome {
  const message = error instanceof Error ? error.message : String(error);
  const times =
    ending.state === "ended"
      ? { ...timesOf(ending.exit), exit: statusOf(ending.exit) }
      : { started_at: attempt.started_at, finished_at: new Date().toISOString(), duration: null, exit: null };
  return {
    ...noResult,
    ...times,
    check_failures: [],
    state: "failed",
    category: "bad-result",
    evidence: `What it left cannot be read: ${message}`,
    outputs: [],
    missing_outputs: [],
  };
}

const noResult = {
  category: null,
  evidence: null,
  retry_class: "code",
  result: null,
  check_failures: [],
} as const satisfies Partial<AttemptOutcome>;

const statusOf = (exit: ExitRecord) => ({ code: exit.code, signal: exit.signal });

const timesOf = (exit: ExitRecord) => ({
  started_at: new Date(exit.started_at * 1_000).toISOString(),
  finished_at: new Date(exit.finished_at * 1_000).toISOString(),
  duration: exit.duration,
});

function withoutRecord(
  attempt: Pick<AttemptRecord, "started_at">,
  ending: Extract<Ending, { state: "gone" }>,
): AttemptOutcome {
  const times = { started_at: attempt.started_at, finished_at: new Date().toISOString(), duration: null, exit: null };
  if (ending.withdrawn) return { ...noResult, check_failures: [], ...times, state: "cancelled" };
  const { category, evidence } = ending;
  return {
    ...noResult,
    check_failures: [],
    ...times,
    // What a scheduler refused was never started, so there is nothing to lose.
    state: category === "submission" ? "failed" : "lost",
    category,
    evidence,
    retry_class: retryClass(category),
  };
}

function succeeded(
  experiment: ExperimentRecord,
  exit: ExitRecord,
  result: Extract<RunResult, { ok: true }>,
  artifacts: OutputFile[],
): AttemptOutcome {
  const { definition } = experiment;
  const failures = checkRun({ experiment: definition, metrics: result.metrics, artifacts });
  return {
    ...noResult,
    ...timesOf(exit),
    state: "succeeded",
    exit: statusOf(exit),
    result: { metrics: result.metrics, inputs_hash: result.inputs_hash, artifacts, warnings: result.warnings },
    check_failures: failures.map((failure) => ({ code: failure.rule, message: failure.message })),
  };
}

function failed(
  directory: AttemptDirectory,
  exit: ExitRecord,
  result: Extract<RunResult, { ok: false }> | null,
): Omit<AttemptOutcome, "started_at" | "finished_at" | "duration"> {
  const { category, evidence } = classifyFailure({
    exit,
    stderrTail: readLastText(directory.stderr, evidenceBytes),
    stdoutTail: readLastText(directory.stdout, evidenceBytes),
    result,
  });
  return {
    ...noResult,
    check_failures: [],
    state: exit.reason === "time-limit" ? "timed-out" : "failed",
    exit: statusOf(exit),
    category,
    evidence,
    retry_class: retryClass(category),
  };
}
