import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pidFileName } from "../../api/contract/daemon-file.ts";
import { RigorError } from "../../domain/errors.ts";
import { daemonLogPath } from "./daemon-file.ts";
import { isAlive } from "./processes.ts";

/** The pid of the daemon that has a data directory, be it ready or not; null if none is known to live. */
export function ownerPid(directory: string): number | null {
  const pid = Number(readText(join(directory, pidFileName)));
  return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) && mayBeDaemon(pid) ? pid : null;
}

/** Whether the pid of a daemon that was killed has not gone to another program, as far as the system tells. */
function mayBeDaemon(pid: number): boolean {
  const command = readText(`/proc/${pid}/cmdline`);
  return command === "" || command.includes("/daemon/main.");
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // There is no such file, or no such file system: nothing is known then.
    return "";
  }
}

/** The error for a daemon that lives and does not do what it should. @param what as in `has not ended after 20 s` */
export function hangingDaemon(pid: number, what: string, directory: string): RigorError {
  return new RigorError("daemon", `The daemon (pid ${pid}) ${what}.`, {
    next: `\`kill -9 ${pid}\` ends it: jobs go on, nothing is lost, and the next command starts another one. Its log is ${daemonLogPath(directory)}.`,
  });
}
