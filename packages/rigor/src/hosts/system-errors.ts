import { systemCode } from "../domain/errors.ts";

/** Whether a system call failed because a path does not exist. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR");
}

/** Whether an error is that of a system call, with this code. */
export const hasCode = (error: unknown, code: string): boolean => systemCode(error) === code;

/** Whether something failed, or was caused by what failed, because a disk is full or a quota used up. */
export function isFull(error: unknown): boolean {
  if (hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT")) return true;
  return error instanceof Error && error.cause !== undefined && isFull(error.cause);
}
