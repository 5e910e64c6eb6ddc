import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";

/** A process of this machine. */
export interface Process {
  pid: number;
  parent: number;
  /** Leader of its session: how the script of a job is told from what it started. */
  leader: boolean;
  directory: string;
  command: string[];
}

/** Processes that work in a directory or below it; zombies do not. Linux only. */
export function processesBelow(directory: string): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => describe(Number(name)) ?? [])
    .filter((one) => one.directory === directory || one.directory.startsWith(`${directory}/`));
}

/** Null for a process that has ended, or whose directory may not be known. */
function describe(pid: number): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [, parent, , session] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const directory = readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, "");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    return { pid, parent: parent ?? 0, leader: session === pid, directory, command };
  } catch {
    // It ended while it was looked at, or is none of ours.
    return null;
  }
}

/** A variable of a process's environment as it was when it started; null where there is none. */
export function environmentOf(pid: number, name: string): string | null {
  try {
    const lines = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
  } catch {
    // It has ended.
    return null;
  }
}

/** SIGKILL, or another signal; false when the process has ended already, or was never there. */
export function killIfThere(pid: number | null | undefined, signal: NodeJS.Signals = "SIGKILL"): boolean {
  // Process 0 would be all of these tests.
  if (!pid) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Ends all processes that work in a directory or below it, and those that they start meanwhile. */
export async function killAllBelow(directory: string): Promise<void> {
  const killed = new Set<number>();
  for (let left = processesBelow(directory); left.length > 0; left = processesBelow(directory)) {
    for (const { pid } of left) if (killIfThere(pid)) killed.add(pid);
    await sleep(20);
  }
  // One whose first thread has ended works nowhere any more, and its files are open until its last thread has.
  while ([...killed].some(isAlive)) await sleep(20);
}
