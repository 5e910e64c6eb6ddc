import { contentHash } from "../domain/canonical.ts";
import { RigorError } from "../domain/errors.ts";
import type { ExperimentRecord } from "../domain/records.ts";
import { snapshot } from "../provenance/snapshot.ts";
import { treeIdentity } from "../provenance/tree.ts";

/**
 * True when the code paths of an experiment are not what its runs were made from, with the working tree as it is now.
 * All runs of one version share its code, so they are stale together.
 */
export async function isStale(experiment: ExperimentRecord): Promise<boolean> {
  const { repository, code } = experiment.source;
  try {
    const now = await snapshot(repository, { keep: false });
    return contentHash(await treeIdentity(repository, now.commit, Object.keys(code))) !== contentHash(code);
  } catch (error) {
    // Code that is no longer there is not the code of the results; any other fault of git is told to the user.
    if (error instanceof RigorError && error.code === "not-found") return true;
    throw error;
  }
}
