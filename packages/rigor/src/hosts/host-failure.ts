import { RigorError } from "../domain/errors.ts";
import { quote } from "./quote.ts";
import type { Answer } from "./shell.ts";

/** A directory of ours on a host cannot be written: its disk is full, a quota is used up, or it is not ours to write. */
export class HostStorageError extends RigorError {
  constructor(message: string, next: string) {
    super("storage", message, { next });
    this.name = "HostStorageError";
  }
}

/** Whether a program's words say that disk, inodes or a quota are used up. */
const saysFull = (words: string): boolean =>
  /No space left on device|Disk quota exceeded|File too large|EDQUOT|ENOSPC/i.test(words);

/** What to do where disk, inodes or a quota are used up. @param directory that Rigor works in there, absolute */
export function roomRemedy(host: string, directory: string): string {
  const path = quote(directory);
  const look = `df -h ${path}; df -i ${path}; quota -s`;
  return `Free room on ${host}, or name another \`workdir\`. Look there with: ${look}.`;
}

/**
 * What a script that failed on a host means for people: the host's own words, and what to do.
 *
 * @param what it was to do, as in `lab1 failed at WHAT`
 * @param directory that Rigor works in there, absolute
 */
export function hostFailure(
  host: string,
  directory: string,
  what: string,
  { status, stderr }: Pick<Answer, "status" | "stderr">,
): HostStorageError {
  const words = stderr.trim().split("\n").slice(-5).join("; ") || `exit status ${status}`;
  return new HostStorageError(`${host} failed at ${what}: ${words}`, remedyFor(stderr, host, directory));
}

function remedyFor(words: string, host: string, directory: string): string {
  if (saysFull(words)) return roomRemedy(host, directory);
  if (/Permission denied|Read-only file system|Operation not permitted/i.test(words)) {
    return `Make ${directory} on ${host} writable for you, or name another \`workdir\`.`;
  }
  return `Look at ${directory} on ${host}, then start again.`;
}
