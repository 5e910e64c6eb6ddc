import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { bytes } from "../../domain/format/numbers.ts";
import { git, tryGit } from "../../provenance/git.ts";
import { keepCommit } from "../../provenance/snapshot.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { isAncestor, moveBranch } from "./branches.ts";
import { runInside } from "./run-inside.ts";
import type { Workspace } from "./workspace.ts";

export interface Submission {
  /** What was submitted; the base where nothing was changed. */
  commit: string;
  base: string;
  branch: string;
  /** Why the branch does not name the commit; null where it does. The commit is kept in any case. */
  branchLeft: string | null;
}

export interface SubmitOptions {
  /** Message of the commit for what the author left uncommitted. */
  message?: string;
  /** What was submitted before: where nothing was changed since, its author defends it with a commit of no files. */
  defended?: string | null;
  /** Bytes that a change may add to the repository. */
  maxBytes?: number;
}

export const defaultMaxBytes = 100_000_000;

/** What git takes with a warning: trees that write where whoever checks them out expects nothing. */
const dangerous = ["emptyname", "fullpathname", "hasdot", "hasdotdot", "hasdotgit"];

const packName = "submission.pack";

/** Commits what is not committed yet, and packs what the base does not have. Exit status 3: files in conflict. */
const pack = `set -e
rm -f "$PACK"
conflicts=$(git diff --name-only --diff-filter=U)
if [ -n "$conflicts" ]; then echo "$conflicts" >&2; exit 3; fi
git add --all
if ! git diff --cached --quiet; then git commit --quiet --no-verify -m "$MESSAGE"
elif [ "$(git rev-parse --verify HEAD)" = "$DEFENDED" ]; then git commit --quiet --no-verify --allow-empty -m "$MESSAGE"; fi
commit=$(git rev-parse --verify HEAD)
if ! git merge-base --is-ancestor "$BASE" "$commit"; then exit 4; fi
printf '%s\\n^%s\\n' "$commit" "$BASE" | git pack-objects --revs --stdout -q >"$PACK"
echo "$commit"`;

/**
 * Brings what an author has made into the person's repository: the objects, checked one by one, a reference that keeps
 * them, and the workspace's branch. Checkout, index and HEAD of the person stay as they are. It may be repeated: equal work
 * is the same commit.
 *
 * @throws RigorError `not-possible` for work that cannot be submitted; the message is for the author.
 */
export async function submitWork(workspace: Workspace, sandbox: Sandbox, options: SubmitOptions): Promise<Submission> {
  const { base, branch, repository } = workspace;
  const commit = await packWork(workspace, sandbox, options);
  if (commit !== base) await takePack(workspace, commit, options.maxBytes ?? defaultMaxBytes);
  return { commit, base, branch, branchLeft: await moveBranch(repository, branch, commit) };
}

/** Whether a workspace holds work that its person's repository does not have. */
export async function hasUnsubmittedWork(workspace: Workspace, sandbox: Sandbox): Promise<boolean> {
  const script = "git rev-parse --verify HEAD && git status --porcelain --untracked-files=all | head -n 1";
  const { status, stdout } = await runInside(workspace, sandbox, script);
  const [commit = "", ...changes] = stdout.trim().split("\n");
  // What cannot be read may hold anything.
  if (status !== 0 || changes.length > 0) return true;
  return (await tryGit(workspace.repository, ["cat-file", "-e", `${commit}^{commit}`])).status !== 0;
}

async function packWork(
  workspace: Workspace,
  sandbox: Sandbox,
  { message = "Work that was not committed at submission", defended = null }: SubmitOptions,
): Promise<string> {
  const variables = {
    BASE: workspace.base,
    PACK: join(workspace.scratch, packName),
    MESSAGE: message,
    DEFENDED: defended ?? "",
  };
  const { status, stdout, stderr } = await runInside(workspace, sandbox, pack, variables);
  const commit = stdout.trim();
  if (status === 0 && /^[0-9a-f]{40,64}$/.test(commit)) return commit;
  if (status === 3) {
    throw new RigorError("not-possible", `Files are in conflict: ${stderr.trim().split("\n").join(", ")}.`, {
      next: "Resolve the conflicts, then submit again.",
    });
  }
  if (status === 4) {
    throw new RigorError(
      "not-possible",
      `The branch does not hold the commit ${workspace.base} that it started from.`,
      {
        next: `Bring the work onto that commit: git rebase --onto ${workspace.base}, or git reset --soft ${workspace.base}.`,
      },
    );
  }
  throw new RigorError(
    "not-possible",
    `git cannot commit what is in the workspace: ${stderr.trim() || `exit status ${status}`}`,
    {
      next: "Run `git status` and `git commit` there, and mend what they say.",
    },
  );
}

async function takePack({ repository, scratch, base }: Workspace, commit: string, limit: number): Promise<void> {
  const file = join(scratch, packName);
  const { size } = await stat(file);
  if (size > limit) {
    throw new RigorError("not-possible", `The change takes ${bytes(size)}; ${bytes(limit)} are allowed.`, {
      next: "Take data and results out of the commits, and add them to .gitignore.",
    });
  }
  const input = await readFile(file);
  // Broken objects, and those that name others that nobody has, are refused one by one.
  const strict = `--strict=${dangerous.map((name) => `${name}=error`).join(",")}`;
  await git(repository, ["index-pack", "--stdin", strict], { input });
  if (!(await isAncestor(repository, base, commit))) {
    throw new RigorError("repository", `The workspace handed over ${commit}, which does not follow from its base.`);
  }
  await refuseRepositories(repository, base, commit);
  await keepCommit(repository, commit);
  await rm(file);
}

/** A commit names only the id of a repository inside it: nobody else would get its files. */
async function refuseRepositories(repository: string, base: string, commit: string): Promise<void> {
  const changed = await git(repository, ["diff-tree", "-r", "--no-renames", "--ignore-submodules=none", base, commit]);
  const nested = changed.split("\n").filter((line) => line.split(" ")[1] === "160000");
  if (nested.length === 0) return;
  const names = nested.map((line) => line.slice(line.indexOf("\t") + 1));
  throw new RigorError("not-possible", `The change holds other git repositories: ${names.join(", ")}.`, {
    next: "Remove their .git directories, or add them to .gitignore, and commit again.",
  });
}
