import { readFileSync } from "node:fs";

/** Whether a process has this id: perhaps not the one that had it some time ago. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/**
 * A process that has ended keeps its id until its parent asks for its status; in containers often nobody does. While
 * threads of it are left, it has not ended: they keep its files open.
 */
function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    // The first of these is the third of all: the state. The 20th of all counts threads.
    return (fields[0] === "Z" || fields[0] === "X") && Number(fields[17]) <= 1;
  } catch {
    // It ended while it was looked at, or /proc is hidden: the caller then waits for, or asks, what may be alive.
    return false;
  }
}
