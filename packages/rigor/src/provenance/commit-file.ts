import { git } from "./git.ts";
import { labIdentityAt } from "./lab-identity.ts";
import { withTemporaryIndex } from "./temporary-index.ts";

export interface FileToCommit {
  /** Relative to the repository's top. */
  path: string;
  text: string;
  message: string;
}

/**
 * A commit on top of another one that differs in one file. Made of objects alone: branches, index and files stay as they
 * are. Equal arguments give an equal commit.
 */
export function commitFile(repository: string, parent: string, { path, text, message }: FileToCommit): Promise<string> {
  return withTemporaryIndex(async (indexFile) => {
    const env = { GIT_INDEX_FILE: indexFile };
    await git(repository, ["read-tree", parent], { env });
    const blob = (await git(repository, ["hash-object", "-w", "--no-filters", "--stdin"], { input: text })).trim();
    await git(repository, ["update-index", "--add", "--cacheinfo", `100644,${blob},${path}`], { env });
    const tree = (await git(repository, ["write-tree"], { env })).trim();
    const date = (await git(repository, ["show", "-s", "--format=%ct", parent])).trim();
    const options = { env: labIdentityAt(date), input: `${message}\n` };
    return (await git(repository, ["commit-tree", tree, "-p", parent], options)).trim();
  });
}
