import { closeSync, openSync } from "node:fs";

/** Makes a file that only its owner can read, before SQLite makes it for all. One that exists is left as it is, and unopened. */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch {
    // It exists, or cannot be made: whoever opens it next finds out which.
  }
}
