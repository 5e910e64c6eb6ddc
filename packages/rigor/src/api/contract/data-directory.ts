import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { RigorError, systemCode } from "../../domain/errors.ts";

/** Where a lab keeps everything: `RIGOR_HOME`, or `.rigor` in the home directory. */
export function dataDirectory(environment: NodeJS.ProcessEnv): string {
  return resolve(environment["RIGOR_HOME"] || join(homedir(), ".rigor"));
}

/** Name of the file whose lock says which daemon owns a data directory. */
export const lockFileName = "daemon.lock";

/** Any of these shows that a directory is a lab's: the lock is the first file of all, the database may be brought back alone. */
const signs = [lockFileName, "rigor.sqlite"];

/**
 * Makes a data directory that only its owner can enter: it holds the token of the daemon, and what runs print. One that
 * others can enter is closed to them where nothing but a lab is in it.
 *
 * @throws RigorError `storage` if it cannot be made or written, or if others can enter it and it is not a lab's alone.
 */
export function makeDataDirectory(directory: string): void {
  try {
    makeDirectories(directory);
    if (!statSync(directory).isDirectory()) throw Object.assign(new Error("no directory"), { code: "ENOTDIR" });
    if (process.platform !== "win32") keepPrivate(directory);
  } catch (cause) {
    throw cause instanceof RigorError ? cause : notWritable(directory, cause);
  }
}

/** As `mkdir -p`. Node's own goes round for ever where nothing can be made, as in /proc. */
function makeDirectories(directory: string): void {
  if (existsSync(directory)) return;
  makeDirectories(dirname(directory));
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process made it in the meantime.
    if (!existsSync(directory)) throw error;
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "its file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "your quota is used up",
  EEXIST: "a part of its path is no directory",
  ENOTDIR: "a part of its path is no directory",
  ENOENT: "no directory can be made there",
};

const full = new Set(["ENOSPC", "EDQUOT"]);

/** Whether an error of the operating system says that there is no room. */
export const isFull = (error: unknown): boolean => full.has(systemCode(error) ?? "");

/** The error for a data directory that cannot be made or written. */
export function notWritable(directory: string, cause: unknown): RigorError {
  const code = systemCode(cause) ?? String(cause);
  return new RigorError("storage", `The data directory ${directory} cannot be written: ${reasons[code] ?? code}.`, {
    next: full.has(code)
      ? "Make room there, then run the same command again: nothing was lost, and jobs go on."
      : "Make it writable, or choose another one with RIGOR_HOME.",
    cause,
  });
}

function keepPrivate(directory: string): void {
  const { mode, uid } = statSync(directory);
  if ((mode & 0o077) === 0) return;
  const found = `(mode ${(mode & 0o777).toString(8)})`;
  if (uid !== process.getuid?.()) {
    throw new RigorError(
      "storage",
      `The data directory ${directory} belongs to another user, and others can enter it ${found}.`,
      {
        next: "Choose a directory of your own with RIGOR_HOME.",
      },
    );
  }
  const names = readdirSync(directory);
  if (names.length > 0 && !signs.some((name) => names.includes(name))) {
    throw new RigorError(
      "storage",
      `The data directory ${directory} holds other files, and others can enter it ${found}.`,
      {
        next: `Choose a directory of its own with RIGOR_HOME, or close this one to others: chmod 700 ${directory}`,
      },
    );
  }
  chmodSync(directory, 0o700);
}
