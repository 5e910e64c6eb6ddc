import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

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

/** SIGKILL; false when the process has ended already. */
export function killIfThere(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** Ends all processes that work in a directory or below it, and those that they start meanwhile. */
export async function killAllBelow(directory: string): Promise<void> {
  for (let left = processesBelow(directory); left.length > 0; left = processesBelow(directory)) {
    for (const { pid } of left) killIfThere(pid);
    await sleep(20);
  }
}
