import { git, gitBytes, gitToFile, splitNames, tryGit } from "../git.ts";
import { withTemporaryIndex } from "../temporary-index.ts";
import { committedFiles } from "../tree.ts";

/**
 * Writes a pack with what a host lacks of one commit: its files as they are, not its history. Of the commits that the
 * host has, each is there without its history, too. Equal questions give equal bytes, so that an upload can go on.
 */
export async function writeCommitPack(
  repository: string,
  commit: string,
  there: readonly string[],
  file: string,
): Promise<void> {
  const known = await commitsHere(repository, there);
  const lines = [commit, ...known].map((one) => `--shallow ${one}`);
  const input = [...lines, commit, ...known.map((one) => `^${one}`), ""].join("\n");
  const args = [
    "pack-objects",
    "--revs",
    "--thin",
    "--stdout",
    "--shallow",
    "--delta-base-offset",
    "--threads=1",
    "-q",
  ];
  await gitToFile(repository, args, file, input);
}

async function commitsHere(repository: string, commits: readonly string[]): Promise<string[]> {
  const input = commits.map((commit) => `${commit}\n`).join("");
  const answer = await git(repository, ["cat-file", "--batch-check=%(objectname) %(objecttype)"], { input });
  const lines = answer.split("\n").filter((line) => line.endsWith(" commit"));
  return lines.map((line) => line.slice(0, line.indexOf(" ")));
}

/**
 * Whether this machine's git makes the content of a file by a filter, such as Git LFS: another machine's would make
 * something else.
 */
export async function hasFilteredFiles(repository: string, commit: string): Promise<boolean> {
  const filters = await tryGit(repository, ["config", "--get-regexp", "^filter\\..*\\.(smudge|process)$"]);
  if (filters.status !== 0) return false;
  return withTemporaryIndex(async (indexFile) => {
    const env = { GIT_INDEX_FILE: indexFile };
    await git(repository, ["read-tree", commit], { env });
    const files = await committedFiles(repository, commit);
    const input = Buffer.concat(files.flatMap(({ name }) => [name, Buffer.alloc(1)]));
    const answer = await gitBytes(repository, ["check-attr", "--cached", "-z", "--stdin", "filter"], { env, input });
    const values = splitNames(answer).filter((_, index) => index % 3 === 2);
    return values.some((value) => !["unspecified", "unset", "set"].includes(value));
  });
}
