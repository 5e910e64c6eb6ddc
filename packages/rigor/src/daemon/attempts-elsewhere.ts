import { existsSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { AttemptDirectory } from "../compute/attempt/attempt-directory.ts";
import { RigorError } from "../domain/errors.ts";
import type { AttemptRecord } from "../domain/records.ts";

/**
 * Refuses to take over attempts whose files lie in another data directory, as they may with a copy of a database: from
 * here they would look as if they had never started, and would be started again.
 *
 * @param attempts those that have not ended
 * @throws RigorError `database`, with where they lie
 */
export function refuseAttemptsElsewhere(attempts: readonly AttemptRecord[], dataDirectory: string): void {
  const elsewhere = attempts.filter((attempt) => isThere(attempt, dataDirectory));
  const [first] = elsewhere;
  if (first === undefined) return;
  const place = dirname(dirname(dirname(first.directory)));
  const what =
    elsewhere.length === 1
      ? "A run is under way whose files lie"
      : `${elsewhere.length} runs are under way whose files lie`;
  throw new RigorError("database", `${what} in another data directory: ${place}.`, {
    next: [
      `Start the daemon there with RIGOR_HOME=${place}, until they have ended or \`rigor cancel\` has stopped them.`,
      "If that directory is lost, do the same with an empty one: runs whose files are gone end as failed.",
    ].join("\n"),
  });
}

/** Whether another data directory of this machine has its files: this one is a copy, or has its database from a backup. */
function isThere(
  { run_id, id, directory }: Pick<AttemptRecord, "run_id" | "id" | "directory">,
  dataDirectory: string,
): boolean {
  const own = AttemptDirectory.in(dataDirectory, run_id, id).path;
  return existsSync(directory) && !(existsSync(own) && realpathSync(own) === realpathSync(directory));
}
