import { unreadable } from "./commands.ts";
import { rangesOf } from "./members.ts";

// Reads what Slurm's commands print, from 22.05 on. Pure. Nothing that cannot be read becomes a fact: it is refused.

/** A record of `squeue`: one job, or one member of an array. */
export interface QueueRecord {
  /** Id of the job or of the whole array: the number that `scancel` takes. */
  id: string;
  /** Index within the array, a range for those that are shown together, or `N/A` for a job that is no array. */
  task: string;
  name: string;
  state: string;
  /** Why it waits or how it ended; null when Slurm gives none. */
  reason: string | null;
  /** Null until it was given a node. */
  host: string | null;
  restarts: number;
  /** Slurm's mark of a job that is held, for whatever reason: it has the priority 0. */
  held: boolean;
  exit: ExitCode | null;
}

/** A record of `sacct`. */
export interface HistoryRecord {
  /** Null where Slurm does not tell which members of an array it means. */
  task: string | null;
  id: string;
  name: string;
  state: string;
  reason: string | null;
  host: string | null;
  exit: ExitCode | null;
}

export interface ExitCode {
  code: number;
  signal: number;
}

/** Fields in the order in which they are printed; the width 0 means all of it. */
const queueFields = [
  "ArrayJobID",
  "ArrayTaskID",
  "State",
  "RestartCnt",
  "BatchHost",
  "exit_code",
  "PriorityLong",
  "Name",
  "Reason",
];
const historyFields = ["JobID", "State", "ExitCode", "NodeList", "JobName", "Reason"];

/**
 * What to give to `squeue --Format`. A field ends with the mark, because names and reasons may contain anything else,
 * line breaks included.
 *
 * @param mark characters that appear nowhere else: it begins with `|`, and has no comma, colon or blank
 */
export const queueFormat = (mark: string): string => queueFields.map((field) => `${field}:0${mark}`).join(",");

/** What to give to `sacct --format`, with `--parsable` and the mark as `--delimiter`. */
export const historyFormat = historyFields.join(",");

/**
 * Reads the answer to `squeue --noheader --array --states=all --Format=...`.
 *
 * @throws RigorError `scheduler` for an answer that is not whole.
 */
export function readQueue(answer: string, mark: string): QueueRecord[] {
  return recordsOf("squeue", answer, mark, queueFields.length).map((fields) => {
    const [id = "", task = "", state = "", restarts = "", host = "", exit = "", priority = "", name = "", reason = ""] =
      fields;
    if (!/^\d+$/.test(id) || !/^\d+$/.test(restarts) || state === "") throw unreadable("squeue", fields.join(" "));
    return {
      id,
      task,
      name,
      state,
      reason: orNull(reason),
      host: orNull(host),
      restarts: Number(restarts),
      held: priority === "0",
      exit: exitOf(exit),
    };
  });
}

/** Reads the answer to `sacct --allocations --noheader --parsable`. @throws RigorError `scheduler` */
export function readHistory(answer: string, mark: string): HistoryRecord[] {
  return recordsOf("sacct", answer, mark, historyFields.length).map((fields) => {
    const [jobId = "", state = "", exit = "", host = "", name = "", reason = ""] = fields;
    const [, id, task] = /^(\d+)(?:_(.+))?$/.exec(jobId) ?? [];
    if (id === undefined) throw unreadable("sacct", fields.join(" "));
    return {
      id,
      task: task ?? null,
      name,
      // "CANCELLED by 1000"
      state: /^[A-Z_]+/.exec(state)?.[0] ?? state,
      reason: orNull(reason),
      host: orNull(host),
      exit: exitOf(exit),
    };
  });
}

/** Cuts an answer into records of fields that each end with the mark. A record begins on a line of its own. */
function recordsOf(program: string, answer: string, mark: string, size: number): string[][] {
  const pieces = answer.split(mark);
  const rest = pieces.pop() ?? "";
  // A command that asks several clusters announces each.
  if (pieces.length % size !== 0 || !/^\s*(?:CLUSTER: \S+\s*)*$/.test(rest)) throw unreadable(program, rest);
  return Array.from({ length: pieces.length / size }, (_, record) => {
    const [first = "", ...others] = pieces.slice(record * size, (record + 1) * size);
    return [first.slice(first.lastIndexOf("\n") + 1), ...others];
  });
}

/** Words that Slurm prints where there is nothing. */
const nothing = new Set(["", "None", "N/A", "n/a", "(null)", "None assigned", "Unknown"]);
const orNull = (text: string): string | null => (nothing.has(text) ? null : text);

/** `78:0`, or the status of `wait` as one number. */
function exitOf(text: string): ExitCode | null {
  const [, code, signal] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (code === undefined) return null;
  if (signal !== undefined) return { code: Number(code), signal: Number(signal) };
  const status = Number(code);
  // The lowest seven bits are the signal; 127 in them means stopped, which no ended job is.
  const killed = status % 128;
  return { code: killed === 0 ? Math.floor(status / 256) % 256 : 0, signal: killed };
}

/**
 * The indexes of members, from `3`, `[5-10%3]`, `1,4-6` or `0-98:2`; null for text that is none, or that Slurm cut
 * short with `...`.
 */
export function readIndexes(task: string): number[] | null {
  const [, inner] = /^\[?([\d,:-]+)(?:%\d+)?\]?$/.exec(task) ?? [];
  if (inner === undefined) return null;
  const indexes: number[] = [];
  for (const part of inner.split(",")) {
    const [, first, last = first, step = "1"] = /^(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?$/.exec(part) ?? [];
    if (first === undefined || Number(step) === 0 || Number(last) < Number(first)) return null;
    if (indexes.length + (Number(last) - Number(first)) / Number(step) >= mostMembers) return null;
    for (let index = Number(first); index <= Number(last); index += Number(step)) indexes.push(index);
  }
  return indexes;
}

/** Slurm's own limit for the size of an array is 4,000,001. */
const mostMembers = 5_000_000;

/** Indexes as `scancel` takes them after the id: `[0-4,7]`. */
export function writeIndexes(indexes: readonly number[]): string {
  return `[${rangesOf(indexes)
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
    .join(",")}]`;
}

/** The id that `sbatch --parsable` prints, among lines that a site's wrapper may add. @throws RigorError `scheduler` */
export function readSubmission(answer: string): string {
  const ids = answer.split("\n").flatMap((line) => /^(\d+)(?:;\S+)?$/.exec(line.trim())?.[1] ?? []);
  const [id] = ids;
  if (id === undefined || ids.length > 1) throw unreadable("sbatch", answer);
  return id;
}

/** What `scontrol show config` says that matters here. @throws RigorError `scheduler` */
export function readConfiguration(answer: string): { version: string; array_limit: number } {
  const setting = (name: string) => new RegExp(String.raw`^${name}\s*=\s*(\S+)\s*$`, "m").exec(answer)?.[1];
  const version = setting("SLURM_VERSION");
  const largest = setting("MaxArraySize");
  if (version === undefined || largest === undefined || !/^\d+$/.test(largest)) throw unreadable("scontrol", answer);
  const tasks = /(?:^|,)max_array_tasks=(\d+)/.exec(setting("SchedulerParameters") ?? "")?.[1];
  // The largest index is one less. With 0 there are no arrays.
  const limit = Math.min(Number(largest), Number(tasks ?? largest));
  return { version: `Slurm ${version}`, array_limit: Math.max(1, limit) };
}

/** What a command says of its failure, without what the login adds around it. */
export function wordsOf(stderr: string): string {
  const lines = stderr.split("\n").flatMap((line) => line.trim() || []);
  const own = lines.filter((line) => ownWords.test(line));
  const said = (own.length === 0 ? lines : own).map((line) => line.replace(prefix, ""));
  return said.slice(-4).join("; ").slice(0, 1000);
}

const prefix = /^(?:sbatch|squeue|scancel|sacct|scontrol): (?:error: |fatal: )?/;
const ownWords = new RegExp(`${prefix.source}|^slurm_\\w+ error: |^allocation failure: |^env: |^Slurm `);
