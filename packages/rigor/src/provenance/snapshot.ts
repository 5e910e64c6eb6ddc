import { existsSync } from "node:fs";
import { copyFile, lstat, readFile, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { RigorError } from "../domain/errors.ts";
import { bytes } from "../domain/format/numbers.ts";
import { git, gitBytes, gitFailure, nameBytes, nameText, splitNames, tryGit } from "./git.ts";
import { labIdentityAt } from "./lab-identity.ts";
import { withTemporaryIndex } from "./temporary-index.ts";
import { isMissing } from "../hosts/system-errors.ts";

export interface Snapshot {
  /** HEAD where nothing was changed, else a commit under `refs/rigor/snapshots/`. */
  commit: string;
  /** The commit that HEAD names; null before the first commit. */
  base: string | null;
  /** Null with a detached HEAD. */
  branch: string | null;
  dirty: boolean;
  /** Changed and untracked files, at most {@link maxChangedFiles} of them. */
  changed_files: string[];
  changed_count: number;
}

export interface SnapshotOptions {
  /** Bytes of untracked files that are still taken into a snapshot. */
  maxUntrackedBytes?: number;
  /** Puts a reference on the commit (default). Without one, git forgets it after some weeks. */
  keep?: boolean;
}

export const maxChangedFiles = 200;
export const defaultMaxUntrackedBytes = 50_000_000;

/**
 * Names the present state of the files by a commit. Changed, staged, deleted and untracked files (not ignored ones)
 * go into a commit object on top of HEAD, made through a copy of the index; branch, index and files stay untouched.
 * Equal files on an equal HEAD give an equal commit.
 *
 * Files that are hidden from `git status` by `assume-unchanged` or `skip-worktree` are recorded as they lie on disk.
 * Of files in Git LFS the pointer is recorded, as in any commit.
 *
 * Each process of git costs this large process more than git's own work, so few are started, and together.
 *
 * @param repository its top directory
 * @throws RigorError `repository` when untracked files are too large, or a nested repository cannot be recorded.
 */
export async function snapshot(repository: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  return withTemporaryIndex(async (indexFile) => {
    await copyIndex(repository, indexFile);
    const [wereHidden, seen] = await Promise.all([
      revealHiddenFiles(repository, indexFile),
      readStatus(repository, indexFile),
    ]);
    const { base, branch, changes } = wereHidden ? await readStatus(repository, indexFile) : seen;
    const names = changes.map((change) => nameText(change.name)).sort();
    const state = { base, branch, changed_files: names.slice(0, maxChangedFiles), changed_count: names.length };
    if (base !== null && changes.length === 0) return { ...state, commit: base, dirty: false };
    await refuseLargeFiles(repository, changes, options.maxUntrackedBytes ?? defaultMaxUntrackedBytes);
    await refuseEmptyRepositories(repository, changes);
    const [parent, tree] = await Promise.all([
      base === null ? null : describeCommit(repository, base),
      writeTree(repository, indexFile, changes),
    ]);
    if (tree === parent?.tree) return { ...state, commit: parent.commit, dirty: false };
    const commit = await commitTree(repository, tree, parent);
    if (options.keep !== false) await keepCommit(repository, commit);
    return { ...state, commit, dirty: true };
  });
}

/** Puts a commit under `refs/rigor/snapshots/`, so that it outlives rebases, amendments and `git gc`. */
export async function keepCommit(repository: string, commit: string): Promise<void> {
  const ref = `refs/rigor/snapshots/${commit}`;
  if (await isKept(repository, ref, commit)) return;
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryGit(repository, ["update-ref", ref, commit]);
    if (outcome.status === 0) return;
    // Another process may be writing the same reference at this moment.
    if (attempt === 5) throw gitFailure(`${ref} cannot be written`, outcome);
  }
}

/** Whether a reference is where git usually writes it. It may be elsewhere, as in a worktree: only git knows then. */
async function isKept(repository: string, ref: string, commit: string): Promise<boolean> {
  const content = await readFile(join(repository, ".git", ref), "utf8").catch(() => null);
  return content === `${commit}\n`;
}

interface Change {
  /** As {@link splitNames} gives it. */
  name: string;
  untracked: boolean;
  /** The file on disk differs from the index. */
  unstaged: boolean;
  /** The file is in the index and not on disk. */
  removed: boolean;
  /** A repository of its own that is not a submodule. */
  nested: boolean;
}

interface Status {
  base: string | null;
  branch: string | null;
  changes: Change[];
}

interface ParentCommit {
  commit: string;
  tree: string;
  /** Seconds since 1970. */
  committed_at: string;
}

async function copyIndex(repository: string, indexFile: string): Promise<void> {
  const path = await indexPath(repository);
  try {
    const { mtimeMs } = await stat(path);
    await copyFile(path, indexFile);
    // git compares a file's time with that of the index to notice a change within the same second. A copy that
    // looks newer than the original would hide such changes; an older one only makes git read more files.
    const seconds = Math.floor(mtimeMs / 1000);
    await utimes(indexFile, seconds, seconds);
  } catch (cause) {
    if (isMissing(cause)) return; // Nothing was ever added to this repository.
    throw new RigorError("git", `The index of ${repository} cannot be read.`, { cause });
  }
}

/** Git is asked where it is not in its usual place, as in a worktree. */
async function indexPath(repository: string): Promise<string> {
  const usual = join(repository, ".git");
  if (existsSync(join(usual, "HEAD"))) return join(usual, "index");
  const path = await git(repository, ["rev-parse", "--path-format=absolute", "--git-path", "index"]);
  return path.replace(/\n$/, "");
}

/** Lets git look again at files that somebody asked it to take as unchanged. @returns whether there are such files */
async function revealHiddenFiles(repository: string, indexFile: string): Promise<boolean> {
  const env = { GIT_INDEX_FILE: indexFile };
  const entries = splitNames(await gitBytes(repository, ["ls-files", "-v", "-z"], { env }));
  const assumed = entries.filter((entry) => /^[a-z]/.test(entry)).map((entry) => entry.slice(2));
  await setFlag(repository, indexFile, "--no-assume-unchanged", assumed);
  const skipped = entries.filter((entry) => /^[sS]/.test(entry)).map((entry) => entry.slice(2));
  // In a sparse checkout git itself looks at those that are present after all.
  if (skipped.length === 0 || (await isSparse(repository))) return assumed.length > 0;
  const present = await Promise.all(skipped.map(async (name) => (await fileSize(repository, name)) !== null));
  await setFlag(
    repository,
    indexFile,
    "--no-skip-worktree",
    skipped.filter((_, index) => present[index]),
  );
  return true;
}

async function isSparse(repository: string): Promise<boolean> {
  const outcome = await tryGit(repository, ["config", "--type=bool", "--get", "core.sparseCheckout"]);
  return outcome.stdout.toString("utf8").trim() === "true";
}

async function setFlag(repository: string, indexFile: string, flag: string, names: string[]): Promise<void> {
  if (names.length === 0) return;
  await git(repository, ["update-index", flag, "-z", "--stdin"], {
    env: { GIT_INDEX_FILE: indexFile },
    input: joinNames(names),
  });
}

async function readStatus(repository: string, indexFile: string): Promise<Status> {
  const what = ["--untracked-files=all", "--no-renames", "--ignore-submodules=none"];
  const args = ["status", "--porcelain=v2", "--branch", "-z", ...what];
  const lines = splitNames(await gitBytes(repository, args, { env: { GIT_INDEX_FILE: indexFile } }));
  const header = (key: string): string | null => {
    const start = `# branch.${key} `;
    const line = lines.find((one) => one.startsWith(start));
    return line === undefined ? null : nameText(line.slice(start.length));
  };
  const [base, branch] = [header("oid"), header("head")];
  if (base === null || branch === null) throw new RigorError("git", "git status did not name HEAD.");
  return {
    base: base === "(initial)" ? null : base,
    branch: branch === "(detached)" ? null : branch,
    changes: lines.filter((line) => !line.startsWith("# ")).map(parseChange),
  };
}

async function describeCommit(repository: string, commit: string): Promise<ParentCommit> {
  const args = ["show", "--no-patch", "--no-show-signature", "--format=%T %ct", commit, "--"];
  const [tree = "", committed_at = ""] = (await git(repository, args)).trim().split(" ");
  return { commit, tree, committed_at };
}

/**
 * Lines of `git status --porcelain=v2` by their first character: how many fields stand before the name, and which of
 * them is the file's mode on disk.
 */
const lineForms: Record<string, { fields: number; modeOnDisk: number | null }> = {
  "1": { fields: 8, modeOnDisk: 5 },
  u: { fields: 10, modeOnDisk: 6 },
  "?": { fields: 1, modeOnDisk: null },
};

function parseChange(line: string): Change {
  const kind = line.charAt(0);
  const form = lineForms[kind];
  if (form === undefined) throw new RigorError("git", `git status printed an unknown line: ${line}.`);
  const fields = line.split(" ");
  const name = fields.slice(form.fields).join(" ");
  const nested = kind === "?" && name.endsWith("/");
  return {
    name: nested ? name.slice(0, -1) : name,
    untracked: kind === "?",
    unstaged: kind !== "1" || line.charAt(3) !== ".",
    removed: form.modeOnDisk !== null && fields[form.modeOnDisk] === "000000",
    nested,
  };
}

async function refuseLargeFiles(repository: string, changes: Change[], limit: number): Promise<void> {
  const sizes: { name: string; size: number }[] = [];
  for (const { name, untracked, nested } of changes) {
    if (untracked && !nested) sizes.push({ name: nameText(name), size: (await fileSize(repository, name)) ?? 0 });
  }
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  if (total <= limit) return;
  const largest = sizes
    .sort((a, b) => b.size - a.size)
    .slice(0, 5)
    .map(({ name, size }) => `${name} (${bytes(size)})`);
  throw new RigorError(
    "repository",
    `Untracked files of ${bytes(total)} would go into the snapshot; ${bytes(limit)} are allowed. ` +
      `The largest: ${largest.join(", ")}.`,
    { next: "Add data and results to .gitignore, and declare the data that runs read under `inputs`." },
  );
}

async function refuseEmptyRepositories(repository: string, changes: Change[]): Promise<void> {
  for (const { name } of changes.filter((change) => change.nested)) {
    const text = nameText(name);
    const outcome = await tryGit(repository, ["-C", text, "rev-parse", "--verify", "--quiet", "HEAD"]);
    if (outcome.status === 0) continue;
    throw new RigorError(
      "repository",
      `${text} is a git repository of its own without a commit; it cannot be recorded.`,
      {
        next: `Add ${text} to .gitignore, or remove ${text}/.git so that its files belong to this repository.`,
      },
    );
  }
}

async function writeTree(repository: string, indexFile: string, changes: Change[]): Promise<string> {
  const env = { GIT_INDEX_FILE: indexFile };
  const unstaged = changes.filter((change) => change.unstaged);
  const update = async (flags: string[], chosen: Change[]) => {
    const input = joinNames(chosen.map((change) => change.name));
    if (chosen.length > 0) await git(repository, ["update-index", ...flags, "-z", "--stdin"], { env, input });
  };
  // By force, because git refuses to look at a name whose directory is a symbolic link by now.
  await update(
    ["--force-remove"],
    unstaged.filter((change) => change.removed),
  );
  await update(
    ["--add", "--remove", "--replace"],
    unstaged.filter((change) => !change.removed),
  );
  return (await git(repository, ["write-tree"], { env })).trim();
}

async function commitTree(repository: string, tree: string, parent: ParentCommit | null): Promise<string> {
  const date = parent?.committed_at ?? "0";
  const parents = parent === null ? [] : ["-p", parent.commit];
  const input = "Rigor snapshot of uncommitted files\n";
  return (await git(repository, ["commit-tree", tree, ...parents], { env: labIdentityAt(date), input })).trim();
}

async function fileSize(repository: string, name: string): Promise<number | null> {
  try {
    return (await lstat(Buffer.concat([Buffer.from(`${repository}/`), nameBytes(name)]))).size;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function joinNames(names: string[]): Buffer {
  return nameBytes(names.map((name) => `${name}\0`).join(""));
}
