/** Whether a system call failed because a path does not exist. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR");
}

/** Whether an error is that of a system call, with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** Whether something failed, or was caused by what failed, because a disk is full or a quota used up. */
export function isFull(error: unknown): boolean {
  if (hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT")) return true;
  return error instanceof Error && error.cause !== undefined && isFull(error.cause);
}
