import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { daemonFileName, type DaemonFile } from "../../api/contract/daemon-file.ts";
import { RigorError } from "../../domain/errors.ts";

export function daemonFilePath(directory: string): string {
  return join(directory, daemonFileName);
}

export function daemonLogPath(directory: string): string {
  return join(directory, "daemon.log");
}

/**
 * The daemon that was last started on a data directory; null if there never was one. It may be dead.
 *
 * @throws RigorError `daemon` if others could have read or written the file, or it is not what a daemon writes:
 * its token gives command over this account, so a file in doubt is not used.
 */
export function readDaemonFile(directory: string): DaemonFile | null {
  const path = daemonFilePath(directory);
  const text = readPrivate(path);
  if (text === null) return null;
  const file = parse(text);
  if (file !== null) return file;
  throw new RigorError("daemon", `${path} is not what a daemon writes.`, {
    next: "Remove it, then run the same command again.",
  });
}

function readPrivate(path: string): string | null {
  const file = openIfPresent(path);
  if (file === null) return null;
  try {
    const { mode, uid } = fstatSync(file);
    const me = process.getuid?.();
    if (me !== undefined && uid !== me) {
      throw new RigorError("daemon", `${path} belongs to another user (uid ${uid}, you are ${me}).`, {
        next: "Use a data directory of your own: set RIGOR_HOME.",
      });
    }
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new RigorError("daemon", `${path} can be read by others (mode ${(mode & 0o777).toString(8)}).`, {
        next: "It holds the daemon's token. Stop the daemon by its pid, remove the file, then run the same command again.",
      });
    }
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function openIfPresent(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw error;
  }
}

const textMembers = ["instance", "address", "token", "version", "data_directory", "started_at"];

function parse(text: string): DaemonFile | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    const members = value as Record<string, unknown>;
    const complete =
      Number.isSafeInteger(members["pid"]) && textMembers.every((name) => typeof members[name] === "string");
    return complete && URL.canParse(String(members["address"])) ? (value as DaemonFile) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
