import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AttemptDirectory } from "./attempt-directory.ts";
import { makeJob } from "../executors/executor.testing.ts";
import { jobScript } from "./job-script.ts";
import type { JobPlace } from "./job-script.ts";
import type { JobSpec } from "./job.ts";

/** What executes the script somewhere. */
export const shells = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]] as const;

/** An attempt in a folder of its own, at a path that shells stumble over. */
export function makeAttempt(): { folder: string; directory: AttemptDirectory } {
  const folder = mkdtempSync(join(tmpdir(), "rigor-script-"));
  const directory = new AttemptDirectory(join(folder, "it's a $place", "attempt-1"));
  directory.create();
  writeFileSync(directory.parameters, "{}\n");
  return { folder, directory };
}

/** Writes the script of an attempt, as for a host whose jobs watch themselves from the beginning. */
export function writeJob(
  directory: AttemptDirectory,
  command: JobSpec["command"],
  job: Partial<JobSpec> = {},
  place: Partial<JobPlace> = {},
): void {
  const spec = makeJob(tmpdir(), command, { attempt: directory.attempt, ...job });
  const where = { directory: directory.path, finished_log: null, booted_at: null, kicked: false, ...place };
  directory.replace(directory.script, jobScript(spec, where));
}

/** The script that runs an attempt. */
export function pidOf(directory: AttemptDirectory): number {
  const record = directory.readProcess();
  if (record === null) throw new Error(`${directory.process} names no process`);
  return record.pid;
}
