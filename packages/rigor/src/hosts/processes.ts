import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { hasCode, isMissing } from "./system-errors.ts";

/** Which process of which machine was started. `started` tells it from a later process with the same pid. */
export interface ProcessRecord {
  host: string;
  pid: number;
  started: string;
  /** Identity of the host's boot; empty where the system has none. */
  boot: string;
}

/** A process of this machine as the system lists it. */
interface ListedProcess {
  pid: number;
  parent: number;
  group: number;
  /** Zero where the system does not tell. */
  session: number;
  /** Tells it from another process that had the same pid: clock ticks since boot, or the time it started. */
  started: string;
  zombie: boolean;
}

const linux = process.platform === "linux";

/** The record of a process of this machine, also of one that has ended and was not waited for; null when there is none. */
export function recordOf(pid: number): ProcessRecord | null {
  const found = findProcess(pid);
  return found === null ? null : { host: hostname(), pid, started: found.started, boot: bootId() };
}

/**
 * What this machine knows of a recorded process. It is `dead` when it is a zombie, when another process has its pid, or
 * when the machine has booted since; `elsewhere` when the record is another machine's, so that nothing can be said.
 */
export function witness(record: ProcessRecord): "alive" | "dead" | "elsewhere" {
  const sameBoot = record.boot === bootId();
  const found = sameBoot ? findProcess(record.pid) : null;
  if (found !== null && !found.zombie && found.started === record.started) return "alive";
  // A boot that is known to be ours is proof enough: a host may be renamed while a job runs.
  return record.host === hostname() || (sameBoot && record.boot !== "") ? "dead" : "elsewhere";
}

/**
 * Kills what a dead job's process left behind in its group and session. Does nothing when the pid has been given to
 * another process, because the group is then not ours.
 *
 * @returns how many processes were killed
 */
export function killRemains(record: ProcessRecord): number {
  if (record.boot !== bootId()) return 0;
  const members = processesOf(record);
  for (const pid of members) sendSignal(pid, "SIGKILL");
  return members.length;
}

/** Processes in the group or session of a recorded one; none when its pid has been given to another process. */
export function processesOf(record: ProcessRecord): number[] {
  const leader = findProcess(record.pid);
  if (leader !== null && leader.started !== record.started) return [];
  return listProcesses()
    .filter((one) => !one.zombie && one.pid !== process.pid && (one.group === record.pid || one.session === record.pid))
    .map(({ pid }) => pid);
}

/** Whether any process of this machine was started with this argument. */
export function runsWithArgument(argument: string): boolean {
  if (!linux) return psLines(["-axo", "command="]).some((line) => line.includes(argument));
  return numericEntries("/proc").some((pid) => {
    const line = readProc(`/proc/${pid}/cmdline`);
    return line !== null && line.split("\0").some((one) => one === argument || one.endsWith(`/${argument}`));
  });
}

/**
 * Visits the processes of this machine, all but this one, whose environment had a variable when each was started.
 * Linux only: elsewhere nothing is visited. A visit comes before anything else can happen to the process's number.
 */
export async function visitEnvironments(name: string, visit: (pid: number, value: string) => void): Promise<void> {
  if (!linux) return;
  for (const pid of numericEntries("/proc")) {
    if (pid === process.pid) continue;
    const environment = `\0${(await readEnvironment(pid)) ?? ""}`;
    const start = environment.indexOf(`\0${name}=`);
    if (start === -1) continue;
    const from = start + name.length + 2;
    const end = environment.indexOf("\0", from);
    visit(pid, environment.slice(from, end === -1 ? undefined : end));
  }
}

/** Does not hold up this process: the system may make the reader wait for one that changes its memory. */
async function readEnvironment(pid: number): Promise<string | null> {
  try {
    return await readFile(`/proc/${pid}/environ`, "utf8");
  } catch (error) {
    return nullIfClosed(error);
  }
}

/** Whether a path is the same folder for a process as for this one. */
export function hasSamePlace(pid: number, path: string): boolean {
  try {
    const [here, there] = [statSync(path), statSync(`/proc/${pid}/root${path}`)];
    return here.dev === there.dev && here.ino === there.ino;
  } catch (error) {
    return nullIfClosed(error) ?? false;
  }
}

/** Sends a signal; false when there is no such process any more. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    throw error;
  }
}

/** Reads a line of `/proc/PID/stat`; null when it is none. The command's name may itself contain parentheses. */
export function parseStat(line: string): ListedProcess | null {
  const fields = line
    .slice(line.lastIndexOf(")") + 2)
    .trim()
    .split(" ");
  const [state, parent, group, session] = fields;
  const started = fields[19];
  if (state === undefined || started === undefined || !/^\d+$/.test(started)) return null;
  return {
    pid: Number.parseInt(line, 10),
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    started,
    zombie: state === "Z" || state === "X",
  };
}

/** Reads a line of `ps -o pid=,ppid=,pgid=,stat=,lstart=`; null when it is none. */
export function parsePs(line: string): ListedProcess | null {
  const [pid, parent, group, state, ...started] = line.trim().split(/\s+/);
  if (state === undefined || started.length === 0) return null;
  return {
    pid: Number(pid),
    parent: Number(parent),
    group: Number(group),
    session: 0,
    started: started.join(" "),
    zombie: state.startsWith("Z"),
  };
}

const psColumns = "pid=,ppid=,pgid=,stat=,lstart=";

function findProcess(pid: number): ListedProcess | null {
  if (!linux) return parsePs(psLines(["-o", psColumns, "-p", String(pid)])[0] ?? "");
  const line = readProc(`/proc/${pid}/stat`);
  return line === null ? null : parseStat(line);
}

function listProcesses(): ListedProcess[] {
  const found = linux
    ? numericEntries("/proc").map((pid) => findProcess(pid))
    : psLines(["-axo", psColumns]).map((line) => parsePs(line));
  return found.filter((one) => one !== null);
}

function numericEntries(directory: string): number[] {
  return readdirSync(directory)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** A file of a process that may end while it is read. */
function readProc(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    return nullIfClosed(error);
  }
}

/** Null for an error that says that a process has ended or is somebody else's; throws any other. */
function nullIfClosed(error: unknown): null {
  if (isMissing(error) || ["ESRCH", "EACCES", "EPERM"].some((code) => hasCode(error, code))) return null;
  throw error;
}

function psLines(options: readonly string[]): string[] {
  try {
    const environment = { ...process.env, LC_ALL: "C", TZ: "UTC" };
    return execFileSync("ps", options, { encoding: "utf8", env: environment, stdio: ["ignore", "pipe", "ignore"] })
      .split("\n")
      .filter((line) => line.trim() !== "");
  } catch (error) {
    // ps ends with status 1 when it finds no such process.
    if (error instanceof Error && "status" in error && error.status === 1) return [];
    throw error;
  }
}

let knownBootId: string | undefined;

function bootId(): string {
  knownBootId ??= (linux ? readProc("/proc/sys/kernel/random/boot_id")?.trim() : undefined) ?? "";
  return knownBootId;
}
