import { randomBytes } from "node:crypto";
import { execFile } from "node:child_process";
import { access, mkdir, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { hasCode, isMissing } from "../../hosts/system-errors.ts";

const runProgram = promisify(execFile);

/** Names that directories have before they are whole, and while they are removed. */
const passing = /\.(partial|removed)-[0-9a-f]{12}$/;

/** Makes a directory beside its place and renames it, so that it is whole whenever it exists. One that exists is left. */
export async function makeWhole(directory: string, fill: (partial: string) => Promise<void>): Promise<void> {
  if (await exists(directory)) return;
  const partial = passingName(directory, "partial");
  try {
    await mkdir(partial, { recursive: true });
    await fill(partial);
    await rename(partial, directory);
  } catch (error) {
    await removeTree(partial);
    // Another call made the same directory first.
    if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
  }
}

/** Takes a directory's name away at once, and then its files. One that is missing is no error. */
export async function removeWhole(directory: string): Promise<void> {
  const removed = passingName(directory, "removed");
  try {
    await rename(directory, removed);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await removeTree(removed);
}

/** Removes what was left half made or half removed. */
export async function removePassing(parent: string): Promise<string[]> {
  const names = (await readdir(parent)).filter((name) => passing.test(name));
  for (const name of names) await removeTree(join(parent, name));
  return names;
}

export function isPassing(name: string): boolean {
  return passing.test(name);
}

/** `rm` does a hundred thousand files in one process; an agent may have made directories that cannot be written. */
async function removeTree(directory: string): Promise<void> {
  if (!(await exists(directory))) return;
  await runProgram("chmod", ["-R", "u+rwX", "--", directory]);
  await runProgram("rm", ["-rf", "--", directory]);
}

function passingName(directory: string, kind: "partial" | "removed"): string {
  return join(dirname(directory), `${basename(directory)}.${kind}-${randomBytes(6).toString("hex")}`);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
