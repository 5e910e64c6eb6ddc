import type { FailureCategory } from "./failure-category.ts";
import { ruleFor } from "./failure-rules.ts";
import { cluesIn } from "./failure-text.ts";
import type { Clue } from "./failure-text.ts";
import type { ExitRecord } from "../attempt/job.ts";

export interface Failure {
  category: FailureCategory;
  /** The line that proves the category, or a sentence about the exit. */
  evidence: string;
}

/** What is known of an attempt that has ended with a record. */
export interface FailureWitnesses {
  exit: Pick<ExitRecord, "code" | "signal" | "reason" | "oom_kills">;
  /** The last lines of each stream. */
  stderrTail: string;
  stdoutTail: string;
  /** What is wrong with the result; null when it was not read or is good. */
  result: { problem: string; message: string } | null;
}

/**
 * Says why an attempt failed. The exit record decides first: what was stopped by its time limit did not fail by a line
 * of its log. Then what the program wrote last counts, in the error stream before the output. A category is given only
 * with evidence for it; without, it is `unknown`, and the evidence is the last line.
 */
export function classifyFailure(witnesses: FailureWitnesses): Failure {
  const { exit, result } = witnesses;
  if (exit.reason === "time-limit") return { category: "timeout", evidence: "It was stopped at its time limit." };
  if (exit.reason === "terminated") {
    return { category: "preempted", evidence: "Its job was told from outside to end (SIGTERM)." };
  }
  if (exit.code === 0) return byResult(result);
  // What somebody killed did not fail by itself: then only what was written about it counts.
  const wasKilled = exit.signal !== null && requests.has(exit.signal);
  const found = byText(witnesses.stderrTail, wasKilled) ?? byText(witnesses.stdoutTail, wasKilled);
  if (found?.category === "killed") return byKiller(found.evidence, exit);
  return found ?? bySignal(exit) ?? byCode(exit.code, lastLine(witnesses));
}

function byResult(result: FailureWitnesses["result"]): Failure {
  if (result === null) return { category: "unknown", evidence: "It ended with status 0." };
  return { category: result.problem === "non-finite" ? "non-finite" : "bad-result", evidence: result.message };
}

/** A line in which a program tells of a trouble that it has dealt with. NCCL calls its errors warnings. */
const survived =
  /(?<!\bNCCL )\b(?:\w*warn(?:ing)?|info|debug|notice|retry(?:ing)?|ignor(?:ed|ing)|skipp(?:ed|ing)|fall(?:ing)? back|optional|continuing|proceeding|using default|disabled)\b/i;

/** Exceptions that only say that another program failed. */
const failureElsewhere = /\b(?:CalledProcessError|ChildFailedError|ProcessExitedException|ProcessRaisedException)\b/;

/** How many of the last lines may be the cause, beside any exception. */
const searchedLines = 10;

function byText(text: string, onlyAfterwords: boolean): Failure | null {
  const clues = cluesIn(text).filter((clue) => clue.afterword || !onlyAfterwords);
  let echo: Failure | null = null;
  let linesBelow = 0;
  for (const clue of clues.toReversed()) {
    if (!clue.exception && linesBelow >= searchedLines) continue;
    const ignored = !clue.exception && survived.test(clue.text);
    const rule = ignored ? undefined : ruleFor(clue, linesBelow === 0);
    const proved = rule === undefined ? null : { category: rule.category, evidence: clue.text.slice(0, 500) };
    if (rule?.echo === true) echo ??= proved;
    else if (proved !== null) return proved;
    else if (failureElsewhere.test(clue.text)) linesBelow = 0;
    else if (clue.exception) return byCause(clue, clues);
    else if (!clue.afterword) linesBelow += 1;
  }
  return echo;
}

/** An exception that no rule knows: no earlier line is its cause, unless the program says so. */
function byCause(clue: Clue, clues: readonly Clue[]): Failure {
  const cause = clue.cause === null ? undefined : clues[clue.cause];
  const rule = cause === undefined ? undefined : ruleFor(cause, false);
  const evidence = (rule === undefined ? clue : (cause ?? clue)).text.slice(0, 500);
  return { category: rule?.category ?? "unknown", evidence };
}

/** A signal never tells who sent it. Where the kernel has ended something for lack of memory meanwhile, it was this. */
function byKiller(written: string | null, exit: FailureWitnesses["exit"]): Failure {
  const isSignal = exit.signal !== null && requests.has(exit.signal);
  const ended = isSignal || written === null ? `It was ended by SIG${exit.signal}` : written;
  const kills = exit.oom_kills ?? 0;
  if (kills === 0) {
    return { category: "killed", evidence: isSignal ? `${ended}; nothing says who sent it.` : ended };
  }
  const whom = kills === 1 ? "a process" : `${kills} processes`;
  return {
    category: "out-of-memory-host",
    evidence: `${ended}; the kernel ended ${whom} for lack of memory meanwhile.`,
  };
}

const crashes = new Set(["SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS", "TRAP"]);
const requests = new Set(["KILL", "TERM", "INT", "HUP", "QUIT"]);

function bySignal(exit: FailureWitnesses["exit"]): Failure | null {
  const { signal } = exit;
  if (signal === null) return null;
  if (signal === "XCPU") return { category: "timeout", evidence: "It passed the limit of CPU time (SIGXCPU)." };
  if (signal === "XFSZ") return { category: "unknown", evidence: "It passed the limit of file size (SIGXFSZ)." };
  if (crashes.has(signal)) return { category: "crash", evidence: `It crashed (SIG${signal}).` };
  if (requests.has(signal)) return byKiller(null, exit);
  return { category: "unknown", evidence: `It was ended by SIG${signal}.` };
}

function byCode(code: number | null, last: string): Failure {
  if (code === 127) return { category: "missing-file", evidence: last || "The command was not found (status 127)." };
  if (code === 126) return { category: "permission", evidence: last || "The command is not executable (status 126)." };
  return { category: "unknown", evidence: last || `It ended with status ${code} and wrote nothing.` };
}

function lastLine({ stdoutTail, stderrTail }: FailureWitnesses): string {
  const last = cluesIn(stderrTail).at(-1) ?? cluesIn(stdoutTail).at(-1);
  return last?.text.slice(0, 500) ?? "";
}

export type RetryClass = "infrastructure" | "preemption" | "code";

/**
 * What another hour or another machine may cure. A process that somebody killed is among it: had its own need of memory
 * been the reason, the kernel would have counted it (`out-of-memory-host`).
 */
const infrastructure: ReadonlySet<FailureCategory> = new Set([
  "submission",
  "disk-full",
  "quota",
  "network",
  "node-failure",
  "not-started",
  "unprepared",
  "killed",
]);

const notOfTheCode: ReadonlySet<string> = new Set<FailureCategory>([
  ...infrastructure,
  "preempted",
  "removed",
  "given-up",
  "need-missing",
]);

/** Whether a change of its code may mend what a run failed of; what is no category is a check that it did not pass. */
export const isOfTheCode = (category: string): boolean => !notOfTheCode.has(category);

/** Which limit of `retry` a failure counts against. */
export function retryClass(category: FailureCategory): RetryClass {
  if (category === "preempted") return "preemption";
  return infrastructure.has(category) ? "infrastructure" : "code";
}
