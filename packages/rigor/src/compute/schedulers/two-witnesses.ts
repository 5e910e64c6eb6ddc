import type { FailureCategory } from "../failures/failure-category.ts";
import type { Failure } from "../failures/failures.ts";
import type { JobStatus } from "../executor.ts";
import type { Seen } from "../remote/remote-attempts.ts";
import type { EndCause, JobReport } from "./scheduler.ts";

// What follows from the files of an attempt and the word of its scheduler. Pure. The files say how a job ended; the
// scheduler says whether it is still there.

/** What the scheduler says of an attempt. `unasked`: nothing yet. `unknown`: that it knows no such job. */
export type Word = JobReport | { state: "unasked" | "unknown" };

/** An end that the files alone prove, or null. */
export function endByFiles(seen: Seen): JobStatus | null {
  if (seen.state === "withdrawn") return { state: "gone", withdrawn: true };
  if (seen.state === "arriving") return { state: "running", beat_at: null };
  return seen.state === "ended" ? { state: "ended", exit: seen.exit } : null;
}

/** Whether the scheduler does not execute the job, and will not: the files have the last word on how that came. */
export const isOver = (word: Word): boolean => word.state === "ended" || word.state === "unknown";

/**
 * The status of an attempt that has no record of its end, and whose end is not certain.
 *
 * @param word what the scheduler said after the files were looked at; `unasked` when it was not asked since
 */
export function presentStatus(seen: Seen, word: Word): JobStatus {
  if (word.state === "waiting") return { state: "waiting", reason: word.reason, held: word.held };
  if (seen.state === "claimed") return { state: "running", beat_at: seen.beat_at };
  return { state: "waiting", reason: null, held: false };
}

/** What else is known of a job that is over. */
export interface Facts {
  /** Whether the scheduler has confirmed that it took the job. */
  submitted: boolean;
  /** Whether Rigor has told it to end. */
  cancelled: boolean;
  /** The folder with what the scheduler wrote of it, for people. */
  where: string;
}

/** The status of an attempt that is over at the scheduler, and whose files have shown no end for long enough since. */
export function finalStatus(seen: Seen, word: Word, { submitted, cancelled, where }: Facts): JobStatus {
  const started = seen.state === "claimed";
  const beat_at = started ? seen.beat_at : null;
  if (cancelled) return { state: "gone", withdrawn: true, beat_at };
  if (word.state === "ended") return { state: "gone", withdrawn: false, beat_at, ...failureOf(word, started, where) };
  if (!started && !submitted) return { state: "unclaimed" };
  const evidence = started
    ? "The scheduler does not know its job any more, and it left no record of its end."
    : "It left the scheduler's queue before it started, and the scheduler does not say why.";
  return { state: "gone", withdrawn: false, beat_at, category: started ? "node-failure" : "not-started", evidence };
}

function failureOf({ cause, evidence }: Ended, started: boolean, where: string): Failure {
  // No node fails that was given nothing.
  if (cause === "unknown" && !started) return { category: "not-started", evidence };
  if (cause !== "finished" && cause !== "not-started" && cause !== "unprepared")
    return { category: categories[cause], evidence };
  if (started) return { category: "killed", evidence: `${evidence} It had started, and left no record of its end.` };
  const category = cause === "unprepared" ? "unprepared" : "not-started";
  return { category, evidence: `${evidence} What the scheduler wrote of it is ${where}.` };
}

type Ended = Extract<JobReport, { state: "ended" }>;

const categories: Record<Exclude<EndCause, "finished" | "not-started" | "unprepared">, FailureCategory> = {
  cancelled: "killed",
  preempted: "preempted",
  "node-failure": "node-failure",
  "out-of-memory": "out-of-memory-host",
  "time-limit": "timeout",
  unknown: "node-failure",
};
