import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { git, tryGit } from "../../provenance/git.ts";

/**
 * Lets a branch name a commit, where nobody's work is lost or turned around: never a branch that is checked out, and none
 * whose present commit is a person's.
 *
 * @returns why the branch was left, null when it was not.
 */
export async function moveBranch(repository: string, branch: string, commit: string): Promise<string | null> {
  const ref = `refs/heads/${branch}`;
  const present = await commitOf(repository, ref);
  if (present === commit) return null;
  const place = await checkedOutAt(repository, branch);
  if (place !== null) return `${branch} is checked out at ${place}.`;
  if (present !== null && !(await isOurs(repository, present, commit))) {
    return `${branch} names ${present.slice(0, 12)}, which is not the lab's.`;
  }
  const moved = await updateRef(repository, ref, commit, present);
  return moved ? null : `${branch} cannot be written.`;
}

/** Null where there is no such branch. */
export async function commitOf(repository: string, ref: string): Promise<string | null> {
  const outcome = await tryGit(repository, ["rev-parse", "--verify", "--quiet", `${ref}^{commit}`]);
  return outcome.status === 0 ? outcome.stdout.toString("utf8").trim() : null;
}

/** Where a branch is checked out, or being rebased; null where nobody works on it. */
export async function checkedOutAt(repository: string, branch: string): Promise<string | null> {
  const ref = `refs/heads/${branch}`;
  const listed = (await git(repository, ["worktree", "list", "--porcelain"])).split("\n\n");
  const found = listed.find((one) => one.split("\n").includes(`branch ${ref}`));
  return found?.split("\n")[0]?.replace(/^worktree /, "") ?? rebasedAt(repository, ref);
}

/** git takes a checkout for detached while it rebases its branch. */
async function rebasedAt(repository: string, ref: string): Promise<string | null> {
  const common = (await git(repository, ["rev-parse", "--path-format=absolute", "--git-common-dir"])).trim();
  const patterns = ["rebase-*/head-name", "worktrees/*/rebase-*/head-name"];
  for await (const name of glob(patterns, { cwd: common })) {
    const file = join(common, name);
    if ((await readFile(file, "utf8").catch(() => "")).trim() === ref) return dirname(dirname(file));
  }
  return null;
}

/** False when the reference does not name what it named before, or cannot be written. */
export async function updateRef(
  repository: string,
  ref: string,
  commit: string,
  before: string | null,
): Promise<boolean> {
  const old = before ?? "0".repeat(commit.length);
  return (await tryGit(repository, ["update-ref", "-m", "rigor", ref, commit, old])).status === 0;
}

export async function isAncestor(repository: string, ancestor: string, commit: string): Promise<boolean> {
  return (await tryGit(repository, ["merge-base", "--is-ancestor", ancestor, commit])).status === 0;
}

async function isOurs(repository: string, present: string, commit: string): Promise<boolean> {
  const kept = await commitOf(repository, `refs/rigor/snapshots/${present}`);
  return kept === present || isAncestor(repository, present, commit);
}
