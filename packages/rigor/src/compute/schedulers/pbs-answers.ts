/**
 * What OpenPBS and PBS Professional answer, read without trust. Comments say what was recorded from OpenPBS 23.06 (in
 * `fixtures/openpbs-23.06`) and what is only from its sources or its issues.
 */
import { readPbsJson } from "./pbs-json.ts";
import type { EndCause } from "./scheduler.ts";

/** What one call of a command wrote, and how it ended; `exit` is null when it did not end by itself. */
export interface CommandAnswer {
  stdout: string;
  stderr: string;
  exit: number | null;
}

/** A job, an array or a member of one, as `qstat -f -F json` shows it. */
export interface PbsJob {
  /** The whole id: `6.vm`, `13[].vm` or `13[2].vm`. Never a number, and never shortened. */
  id: string;
  role: "job" | "array" | "member";
  /** Of a member: its index. */
  index: number | null;
  /** Null when PBS did not print it as text: it prints a name such as `007` or `1e9` as a number. */
  name: string | null;
  /** PBS's letter. */
  state: string;
  substate: number | null;
  exit_status: number | null;
  comment: string | null;
  exec_host: string | null;
  queue: string | null;
  /** The kinds of holds: letters, empty when there is none. */
  holds: string;
  /** How often it was started. */
  run_count: number;
  /** Whether it ever started: PBS keeps the time of the last start. */
  started: boolean;
  /**
   * False for a member of which PBS keeps nothing and shows the attributes of its array instead, with their exit status:
   * one that has not started, or was deleted before it started, or whose record is gone.
   */
  own_record: boolean;
  /** Seconds and bytes; null where PBS does not say. */
  used: { walltime: number | null; cpu_time: number | null; memory: number | null };
}

/** Why PBS tells nothing of a job, or does nothing to it. */
export type PbsRefusal = "unknown-job" | "finished" | "no-history" | "wrong-state";

export type PbsStatus =
  | {
      readable: true;
      /** By id. A job that was asked for and is neither here nor in `refused` was not answered: nothing is known of it. */
      jobs: ReadonlyMap<string, PbsJob>;
      refused: ReadonlyMap<string, PbsRefusal>;
      /** Parts of the answer that are no jobs. */
      problems: readonly string[];
    }
  | { readable: false; reason: string };

/**
 * Reads what `qstat [-x] -f -F json [-t]` answered. Exit 153 or 35 with JSON for the other jobs is an answer (recorded);
 * any other failure, and output that is cut short, is not: then nothing may be concluded of any job.
 */
export function readPbsStatus(answer: CommandAnswer): PbsStatus {
  const { refused, other } = readPbsRefusals(answer.stderr);
  if (answer.exit === null) return unreadable("qstat did not end by itself", answer);
  // From the sources: a server without history refuses `-x` with exit 0.
  const explained = answer.exit === 0 || [...refused.values()].some((refusal) => exits[refusal] === answer.exit);
  if (!explained || other.length > 0) return unreadable(`qstat failed with exit status ${answer.exit}`, answer);
  // Recorded: without any job to show there is no output at all.
  if (answer.stdout.trim() === "") return { readable: true, jobs: new Map(), refused, problems: [] };
  const records = readPbsJson(answer.stdout);
  if (records === null) return unreadable("qstat wrote no whole JSON", answer);
  const jobs = new Map<string, PbsJob>();
  const problems: string[] = [];
  for (const [id, record] of records) {
    const job = readJob(id, record);
    if (job === null) problems.push(`qstat wrote something that is no job: ${JSON.stringify(id).slice(0, 200)}.`);
    else jobs.set(id, job);
  }
  return { readable: true, jobs, refused, problems };
}

const exits: Record<PbsRefusal, number> = { "unknown-job": 153, finished: 35, "no-history": 0, "wrong-state": 168 };

/** What `qstat`, `qselect`, `qdel`, `qsig`, `qhold` or `qrls` refuse, by job id, and what else the command itself says on stderr. */
export function readPbsRefusals(stderr: string): { refused: Map<string, PbsRefusal>; other: string[] } {
  const refused = new Map<string, PbsRefusal>();
  const other: string[] = [];
  for (const line of stderr.split("\n")) {
    // Others may write there too: a login shell, a module system.
    const said = /^q(?:stat|select|del|sig|hold|rls): (?<text>.*)$/.exec(line.trimEnd())?.groups?.["text"];
    if (said === undefined) continue;
    const found = refusals.map(({ refusal, pattern }) => ({ refusal, match: pattern.exec(said) }));
    const first = found.find(({ match }) => match !== null);
    if (first === undefined) other.push(said);
    else refused.set(first.match?.groups?.["id"] ?? "", first.refusal);
  }
  return { refused, other };
}

const refusals: readonly { refusal: PbsRefusal; pattern: RegExp }[] = [
  { refusal: "unknown-job", pattern: /^Unknown Job Id (?<id>\S+)$/ },
  { refusal: "finished", pattern: /^Job has finished(?: (?<id>\S+))?$/ },
  { refusal: "finished", pattern: /^(?<id>\S+) Job has finished, use -x or -H to obtain historical job information$/ },
  { refusal: "finished", pattern: /^Request invalid for finished array subjob (?<id>\S+)$/ },
  { refusal: "no-history", pattern: /^PBS is not configured to maintain job history(?: (?<id>\S+))?$/ },
  { refusal: "wrong-state", pattern: /^Request invalid for state of job (?<id>\S+)$/ },
];

function unreadable(what: string, { stdout, stderr }: CommandAnswer): PbsStatus {
  const said = (stderr.trim() || stdout.trim()).slice(0, 300);
  return { readable: false, reason: said === "" ? `${what}, and said nothing.` : `${what}: ${said}` };
}

const identifier = /^\d+(?<member>\[(?<index>\d*)\])?\.[^\s@]+$/;

/** The id that `qsub` printed, or null when its output is anything else. */
export function readPbsSubmission(stdout: string): string | null {
  const lines = stdout.split("\n").filter((line) => line.trim() !== "");
  const [line = ""] = lines;
  return lines.length === 1 && identifier.test(line.trim()) ? line.trim() : null;
}

/** The ids that `qselect` printed. */
export const readPbsIds = (stdout: string): string[] =>
  stdout.split("\n").flatMap((line) => (identifier.test(line.trim()) ? line.trim() : []));

/** `13[].vm` and 4 give `13[4].vm`; with 6 as the last, `13[4-6].vm`. Commands refuse commas there. */
export function pbsMemberId(array: string, first: number, last = first): string {
  return array.replace("[]", first === last ? `[${first}]` : `[${first}-${last}]`);
}

/** What a command says of its failure, without how it is used and what the login adds around it. */
export function pbsWords(stderr: string): string {
  const lines = (stderr.split(/^\s*usage:/m)[0] ?? "").split("\n").flatMap((line) => line.trim() || []);
  const own = lines.filter((line) => ownWords.test(line));
  const said = (own.length === 0 ? lines : own).map((line) => line.replace(prefix, "").trim());
  return said.slice(-4).join("; ").slice(0, 1000);
}

const prefix = /^q(?:sub|stat|select|del): /;
const ownWords = new RegExp(`${prefix.source}|^Couldn't connect to |^Connection refused`);

function readJob(id: string, record: ReadonlyMap<string, unknown>): PbsJob | null {
  const match = identifier.exec(id);
  const state = asText(record.get("job_state"));
  if (match === null || state === null) return null;
  const { member, index = "" } = match.groups ?? {};
  const used = asMap(record.get("resources_used"));
  const holds = asText(record.get("Hold_Types")) ?? "n";
  return {
    id,
    role: member === undefined ? "job" : index === "" ? "array" : "member",
    index: index === "" ? null : Number(index),
    name: asText(record.get("Job_Name")),
    state,
    substate: asInteger(record.get("substate")),
    exit_status: asInteger(record.get("Exit_status")),
    comment: asText(record.get("comment")),
    exec_host: asText(record.get("exec_host")),
    queue: asText(record.get("queue")),
    holds: holds === "n" ? "" : holds,
    run_count: asInteger(record.get("run_count")) ?? 0,
    started: asText(record.get("stime")) !== null,
    own_record: index === "" || record.has("array_index") || record.has("array_id"),
    used: {
      walltime: asSeconds(used.get("walltime")),
      cpu_time: asSeconds(used.get("cput")),
      memory: asBytes(used.get("mem")),
    },
  };
}

const asText = (value: unknown): string | null => (typeof value === "string" ? value : null);

const asMap = (value: unknown): ReadonlyMap<string, unknown> =>
  value instanceof Map ? (value as Map<string, unknown>) : new Map();

function asInteger(value: unknown): number | null {
  const number = typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : null;
}

function asSeconds(value: unknown): number | null {
  const match = /^(\d+):(\d\d):(\d\d)$/.exec(asText(value) ?? "");
  return match === null ? null : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
}

function asBytes(value: unknown): number | null {
  const match = /^(\d+)([kmgtp]?)b$/i.exec(asText(value) ?? "");
  return match === null ? null : Number(match[1]) * 1024 ** " kmgtp".indexOf(match[2]?.toLowerCase() || " ");
}

/**
 * What has become of a job.
 *
 * - `waiting`, `held` (by `holds`), `requeued` (started `runs` times, and waiting again), `running`.
 * - `ended`: by itself, or by a signal that was not PBS's. Its exit status is the script's.
 * - `ended-by-pbs`: PBS ended it, or could not start it.
 * - `deleted`: on somebody's request or with a job that it depended on; `ran` tells whether it ever started.
 * - `array`: not a job. An array says nothing of its members: ask for each.
 * - `unknown`: PBS does not tell. `gone` means that it does not execute it, and will not.
 */
export type PbsOutcome =
  | { kind: "waiting" }
  | { kind: "held"; holds: string }
  | { kind: "requeued"; runs: number }
  | { kind: "running"; suspended: boolean }
  | { kind: "ended"; exit: number; signal: null }
  | { kind: "ended"; exit: null; signal: number }
  | { kind: "ended-by-pbs"; code: number; name: string; cause: EndCause }
  | { kind: "deleted"; ran: boolean; by: string | null }
  | { kind: "array"; over: boolean }
  | { kind: "unknown"; gone: boolean; reason: string };

/** Reads one job's state. The exit status alone would mislead: recorded, a job deleted while it ran has status 0. */
export function pbsOutcome(job: PbsJob): PbsOutcome {
  if (job.role === "array") return { kind: "array", over: job.state === "F" };
  switch (job.state) {
    case "Q":
    case "W":
    case "T":
    case "H":
      // From the sources: a waiting member of a held array is shown as queued, with the array's holds.
      if (job.state === "H" || job.holds !== "") return { kind: "held", holds: job.holds };
      return job.run_count > 0 ? { kind: "requeued", runs: job.run_count } : { kind: "waiting" };
    case "R":
    case "E":
      return { kind: "running", suspended: false };
    case "S":
    case "U":
      return { kind: "running", suspended: true };
    case "F":
    case "X":
      return finishedOutcome(job);
    case "M":
      return { kind: "unknown", gone: false, reason: "PBS moved it to another server." };
    default:
      return { kind: "unknown", gone: false, reason: `PBS calls its state ${JSON.stringify(job.state)}.` };
  }
}

const terminated = 91;
const failed = 93;
const lastSignal = 64;

function finishedOutcome(job: PbsJob): PbsOutcome {
  const { exit_status: status, substate } = job;
  const by = /\bterminated by (?<by>\S+)$/.exec(job.comment ?? "")?.groups?.["by"] ?? null;
  // Recorded: neither a job deleted in the queue nor one deleted with what it depended on has a status or a start.
  if (!job.started) return { kind: "deleted", ran: false, by };
  if (!job.own_record) return gone("PBS has no record of this member, and shows its array's status.");
  if (substate === terminated) return { kind: "deleted", ran: true, by };
  if (status === null) return gone("PBS gives no exit status.");
  if (status < 0) return { kind: "ended-by-pbs", code: status, ...(ends[status] ?? unknownEnd) };
  if (status === 0 && substate === failed) return gone("PBS calls it failed, and gives exit status 0.");
  if (status < 256) return { kind: "ended", exit: status, signal: null };
  if (status > 256 && status <= 256 + lastSignal) return { kind: "ended", exit: null, signal: status - 256 };
  return gone(`PBS gives exit status ${status}, which means nothing.`);
}

const gone = (reason: string): PbsOutcome => ({ kind: "unknown", gone: true, reason });

const unknownEnd: { name: string; cause: EndCause } = { name: "an unknown reason", cause: "unknown" };

/** The negative exit statuses: from the sources (job.h) and PBS Professional's reference guide; recorded: -29. */
const ends: Record<number, { name: string; cause: EndCause }> = {
  [-1]: { name: "JOB_EXEC_FAIL1", cause: "not-started" },
  [-2]: { name: "JOB_EXEC_FAIL2", cause: "not-started" },
  [-3]: { name: "JOB_EXEC_RETRY", cause: "not-started" },
  [-4]: { name: "JOB_EXEC_INITABT", cause: "node-failure" },
  [-5]: { name: "JOB_EXEC_INITRST", cause: "node-failure" },
  [-6]: { name: "JOB_EXEC_INITRMG", cause: "node-failure" },
  [-7]: { name: "JOB_EXEC_BADRESRT", cause: "not-started" },
  [-10]: { name: "JOB_EXEC_FAILUID", cause: "not-started" },
  [-11]: { name: "JOB_EXEC_RERUN", cause: "preempted" },
  [-12]: { name: "JOB_EXEC_CHKP", cause: "preempted" },
  [-13]: { name: "JOB_EXEC_FAIL_PASSWORD", cause: "not-started" },
  [-14]: { name: "JOB_EXEC_RERUN_SIS_FAIL", cause: "node-failure" },
  [-15]: { name: "JOB_EXEC_QUERST", cause: "preempted" },
  [-16]: { name: "JOB_EXEC_FAILHOOK_RERUN", cause: "not-started" },
  [-17]: { name: "JOB_EXEC_FAILHOOK_DELETE", cause: "not-started" },
  [-18]: { name: "JOB_EXEC_HOOK_RERUN", cause: "preempted" },
  [-19]: { name: "JOB_EXEC_HOOK_DELETE", cause: "cancelled" },
  [-20]: { name: "JOB_EXEC_RERUN_MS_FAIL", cause: "node-failure" },
  [-21]: { name: "JOB_EXEC_FAIL_SECURITY", cause: "not-started" },
  [-22]: { name: "JOB_EXEC_HOOKERROR", cause: "not-started" },
  [-23]: { name: "JOB_EXEC_FAIL_KRB5", cause: "not-started" },
  [-24]: { name: "JOB_EXEC_KILL_NCPUS_BURST", cause: "unknown" },
  [-25]: { name: "JOB_EXEC_KILL_NCPUS_SUM", cause: "unknown" },
  [-26]: { name: "JOB_EXEC_KILL_VMEM", cause: "out-of-memory" },
  [-27]: { name: "JOB_EXEC_KILL_MEM", cause: "out-of-memory" },
  [-28]: { name: "JOB_EXEC_KILL_CPUT", cause: "time-limit" },
  [-29]: { name: "JOB_EXEC_KILL_WALLTIME", cause: "time-limit" },
  [-30]: { name: "JOB_EXEC_JOINJOB", cause: "not-started" },
  [-31]: { name: "JOB_EXEC_KILL_HPMEM", cause: "out-of-memory" },
  [-32]: { name: "JOB_EXEC_RERUN_ZOMBIE_JOB", cause: "node-failure" },
};
