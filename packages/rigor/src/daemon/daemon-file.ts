import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { daemonFileName, type DaemonFile } from "../api/contract/daemon-file.ts";

const fileOf = (directory: string): string => join(directory, daemonFileName);

/** Writes the file for the owner only, complete or not at all. */
export function writeDaemonFile(directory: string, file: DaemonFile): void {
  const partial = `${fileOf(directory)}.${process.pid}`;
  const descriptor = openSync(partial, "w", 0o600);
  try {
    writeFileSync(descriptor, `${JSON.stringify(file, null, 2)}\n`);
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(partial);
    throw error;
  } finally {
    closeSync(descriptor);
  }
  renameSync(partial, fileOf(directory));
}

/** Removes the file if it is still this daemon's. */
export function removeDaemonFile(directory: string, instance: string): void {
  if (readText(directory).includes(instance)) rmSync(fileOf(directory), { force: true });
}

/** How the present owner describes itself, for the error that refuses a second one. */
export function describeOwner(directory: string): string {
  const found = /"pid":\s*(\d+)[\s\S]*"address":\s*"([^"]+)"/.exec(readText(directory));
  return found === null ? "one that is starting, or about to end" : `pid ${found[1]} at ${found[2]}`;
}

function readText(directory: string): string {
  try {
    return readFileSync(fileOf(directory), "utf8");
  } catch {
    // Absent or unreadable: there is then nothing to describe or to remove.
    return "";
  }
}
