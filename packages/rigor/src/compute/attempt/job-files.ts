import { existsSync, writeFileSync } from "node:fs";
import type { AttemptDirectory } from "./attempt-directory.ts";
import { jobScript, secretsScript, type JobPlace } from "./job-script.ts";
import type { JobSpec } from "./job.ts";

/**
 * Writes what a job is started from into its directory, or the copy of its directory. A directory in which a job has
 * begun is left as it is.
 *
 * @param place where the job will find itself, which need not be this machine
 */
export function writeJobFiles(directory: AttemptDirectory, job: JobSpec, place: JobPlace): void {
  const script = jobScript(job, place);
  if (existsSync(directory.claim)) return;
  directory.create();
  writeFileSync(directory.parameters, `${JSON.stringify(job.parameters ?? {})}\n`, { mode: 0o600 });
  const { secrets: _, ...recorded } = job;
  writeFileSync(directory.spec, `${JSON.stringify(recorded)}\n`, { mode: 0o600 });
  const secrets = secretsScript(job);
  if (secrets !== null) writeFileSync(directory.secrets, secrets, { mode: 0o600 });
  directory.replace(directory.script, script);
}
