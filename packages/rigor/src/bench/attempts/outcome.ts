import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import { isTooMuch, readResult, type RunResult } from "../../compute/collect.ts";
import type { JobStatus } from "../../compute/executor.ts";
import { classifyFailure, retryClass } from "../../compute/failures/failures.ts";
import type { ExitRecord } from "../../compute/attempt/job.ts";
import { readLastText } from "../../hosts/tail.ts";
import { metricsOf, outputPaths } from "../../domain/design.ts";
import type { RigorError } from "../../domain/errors.ts";
import type { AttemptRecord, ExperimentRecord, ResultRecord, RunRecord } from "../../domain/records.ts";
import { needMissing } from "../../domain/rules/need-rules.ts";
import { codeUnchanged, type AttemptOutcome } from "../../domain/rules/attempt-rules.ts";
import { hashOutputs, type OutputFile } from "../../provenance/manifest.ts";
import { checkRun } from "../../statistics/checks.ts";

/** Bytes at the end of each log in which the cause of a failure is looked for. */
const evidenceBytes = 64 * 1024;

/** The last word on a job: its own record, or proof that it is dead without one. */
export type Ending = Extract<JobStatus, { state: "ended" | "gone" }>;

/** An outcome with the files behind it, for the manifest. */
export interface ObservedOutcome extends AttemptOutcome {
  outputs: OutputFile[];
  /** Declared outputs that are not there. */
  missing_outputs: string[];
  /** Somebody changed code in the checkout that it started in: what starts now must start elsewhere. */
  code_changed: boolean;
}

/** How an attempt ended, from its directory and the last word of its executor. */
export async function observeOutcome(tried: Tried, ending: Ending): Promise<ObservedOutcome> {
  const { definition } = tried.experiment;
  const { result } = definition.outputs;
  const { output } = new AttemptDirectory(tried.attempt.directory);
  // A result of a terabyte is refused by its size: to hash it would hold up every other run for as long.
  const paths = outputPaths(definition, tried.run.arm).filter((path) => path !== result || !isTooMuch(output, path));
  const { outputs, missing, sha256 } = await hashOutputs(output, paths);
  const artifacts = outputs.filter((file) => file.path !== result);
  const outcome = outcomeOf(tried, ending, { artifacts, outputs_hash: sha256 });
  const host = new AttemptDirectory(tried.attempt.directory).readProcess()?.host;
  const code_changed = ending.state === "ended" && ending.exit.code_changed > 0;
  return { ...outcome, ...(host === undefined ? {} : { host }), outputs, missing_outputs: missing, code_changed };
}

/** An attempt, and what it is a try of. */
interface Tried {
  attempt: Pick<AttemptRecord, "directory" | "started_at">;
  run: Pick<RunRecord, "arm">;
  experiment: Pick<ExperimentRecord, "definition">;
  /** Seconds for which it is known to have run where it left no record of its end. */
  ran: number | null;
}

/** What an attempt left, besides its metrics. */
type Collected = Pick<ResultRecord, "artifacts" | "outputs_hash">;

function outcomeOf(tried: Tried, ending: Ending, collected: Collected): AttemptOutcome {
  if (ending.state === "gone") return withoutRecord(tried, ending);
  const outcome = withChangedCode(tried, ending.exit, recordedOutcome(tried, ending.exit, collected));
  const { restarts } = ending.exit;
  if (restarts === 0) return outcome;
  const told = `Its scheduler had started it again ${restarts === 1 ? "once" : `${restarts} times`}.`;
  return { ...outcome, evidence: [outcome.evidence, told].filter((part) => part !== null).join(" ") };
}

/** What the job says of the checkout, after all that its program says. */
const ofCode = /^rigor: (?:changed in|added to) the code: (.*)\n?/gm;

/**
 * Which code a run has used is not known where that was changed before its end: its result does not count. Of files that were
 * added there it is only told: many programs keep something where they start, where they may.
 */
function withChangedCode({ attempt }: Tried, exit: ExitRecord, outcome: AttemptOutcome): AttemptOutcome {
  if (exit.code_changed + exit.code_added === 0) return outcome;
  const stderr = readLastText(new AttemptDirectory(attempt.directory).stderr, evidenceBytes);
  const named = [...stderr.matchAll(ofCode)].map(([, path]) => path);
  const count = exit.code_changed === 0 ? exit.code_added : exit.code_changed;
  const what = named.length === 0 ? "" : `: ${named.join(", ")}${count > named.length ? " and more" : ""}`;
  const next = "A run writes only to the directory that RIGOR_OUTPUT names.";
  if (exit.code_changed === 0) {
    const warning = `This run, or another before it ended, added files to the checkout that runs share${what}. ${next}`;
    return outcome.result === null
      ? outcome
      : { ...outcome, result: { ...outcome.result, warnings: [...outcome.result.warnings, warning] } };
  }
  const message =
    `This run, or another before it ended, changed the code in the checkout that runs share${what}. Which code it has used ` +
    `is not known. ${next}`;
  if (outcome.state !== "succeeded") {
    return { ...outcome, evidence: [outcome.evidence, message].filter((part) => part !== null).join(" ") };
  }
  return { ...outcome, check_failures: [{ code: codeUnchanged, message }, ...outcome.check_failures] };
}

function recordedOutcome(tried: Tried, exit: ExitRecord, collected: Collected): AttemptOutcome {
  const { attempt, run, experiment } = tried;
  const { definition } = experiment;
  const directory = new AttemptDirectory(attempt.directory);
  const measures = measuresOf(exit);
  if (exit.reason === "cancelled") return { ...noResult, ...measures, state: "cancelled", exit: statusOf(exit) };
  if (exit.code === 0 && exit.reason === "exited") {
    const result = readResult(directory.output, definition.outputs.result, metricsOf(definition, run.arm));
    return result.ok ? succeeded(tried, exit, result, collected) : { ...failed(directory, exit, result), ...measures };
  }
  return { ...failed(directory, exit, null), ...measures };
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
      ? { ...measuresOf(ending.exit), exit: statusOf(ending.exit) }
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
    code_changed: false,
  };
}

/** The end of an attempt that was not started, because it, or what its run needs of others, could not be brought there. */
export function undeliveredOutcome(failure: RigorError): ObservedOutcome {
  const category = failure.code === "storage" ? "disk-full" : needMissing;
  return {
    ...noResult,
    check_failures: [],
    state: "failed",
    category,
    evidence: [failure.message, failure.next].filter(Boolean).join(" "),
    retry_class: category === "disk-full" ? "infrastructure" : "code",
    exit: null,
    started_at: null,
    finished_at: new Date().toISOString(),
    duration: null,
    outputs: [],
    missing_outputs: [],
    code_changed: false,
  };
}

const noResult = {
  category: null,
  evidence: null,
  retry_class: "code",
  memory_peak: null,
  gpu_memory_peak: null,
  result: null,
  check_failures: [],
} as const satisfies Partial<AttemptOutcome>;

const statusOf = (exit: ExitRecord) => ({ code: exit.code, signal: exit.signal });

/** When it ran and what it used. */
const measuresOf = (exit: ExitRecord) => ({
  memory_peak: exit.memory_peak,
  gpu_memory_peak: exit.gpu_memory_peak,
  started_at: new Date(exit.started_at * 1_000).toISOString(),
  finished_at: new Date(exit.finished_at * 1_000).toISOString(),
  duration: exit.duration,
});

function withoutRecord(
  { attempt: { started_at }, ran }: Tried,
  ending: Extract<Ending, { state: "gone" }>,
): AttemptOutcome {
  const times = { started_at, finished_at: new Date().toISOString(), duration: ran, exit: null };
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
  { run: { arm }, experiment: { definition } }: Tried,
  exit: ExitRecord,
  { metrics, inputs_hash, warnings }: Extract<RunResult, { ok: true }>,
  collected: Collected,
): AttemptOutcome {
  const failures = checkRun({ experiment: definition, arm, metrics, artifacts: collected.artifacts });
  return {
    ...noResult,
    ...measuresOf(exit),
    state: "succeeded",
    exit: statusOf(exit),
    result: { metrics, inputs_hash, warnings, ...collected },
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
    stderrTail: readLastText(directory.stderr, evidenceBytes).replaceAll(ofCode, ""),
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
