import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { daemonFileName, pidFileName, type DaemonFile } from "../api/contract/daemon-file.ts";
import { databaseError } from "../store/errors.ts";

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
  if (readText(directory, daemonFileName).includes(instance)) rmSync(fileOf(directory), { force: true });
}

/** Says who has the data, from the moment on in which it is taken. @throws RigorError `storage` where it cannot be written */
export function writePid(directory: string): void {
  const path = join(directory, pidFileName);
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    throw databaseError(error, path);
  }
}

export function removePid(directory: string): void {
  rmSync(join(directory, pidFileName), { force: true });
}

/** How the present owner describes itself, for the error that refuses a second one. */
export function describeOwner(directory: string): string {
  const found = /"pid":\s*(\d+)[\s\S]*"address":\s*"([^"]+)"/.exec(readText(directory, daemonFileName));
  if (found !== null) return `pid ${found[1]} at ${found[2]}`;
  const pid = readText(directory, pidFileName).trim();
  return `${pid === "" ? "one" : `pid ${pid}`} that is starting, or about to end`;
}

function readText(directory: string, name: string): string {
  try {
    return readFileSync(join(directory, name), "utf8");
  } catch {
    // Absent or unreadable: there is then nothing to describe or to remove.
    return "";
  }
}
