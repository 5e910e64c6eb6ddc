import { RigorError } from "../../domain/errors.ts";
import { hasCode } from "../../hosts/system-errors.ts";

/**
 * Does what writes to a path.
 *
 * @throws RigorError `storage` for what a person can mend: a full disk, a quota, permissions.
 */
export function asStorage<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const found = storageProblems.find(([code]) => hasCode(error, code));
    if (found === undefined) throw error;
    throw new RigorError("storage", `Cannot write ${path}: ${found[1]}.`, { next: found[2], cause: error });
  }
}

const storageProblems: readonly (readonly [code: string, problem: string, next: string])[] = [
  ["ENOSPC", "the disk is full", "Free some space; runs that have not started will then start."],
  ["EDQUOT", "the disk quota is used up", "Free some space or ask for a larger quota."],
  ["EROFS", "the file system is read-only", "Choose another data directory, or make this one writable."],
  ["EACCES", "permission is denied", "Make the data directory writable for this user."],
  ["ENOTDIR", "a part of the path is not a directory", "Choose another data directory."],
  ["EPERM", "permission is denied", "Make the data directory writable for this user."],
];
