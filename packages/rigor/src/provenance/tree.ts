import { mkdir } from "node:fs/promises";
import { posix } from "node:path";
import { RigorError } from "../domain/errors.ts";
import { git, gitBytes, nameBytes, nameText, splitNames, tryGit } from "./git.ts";
import { withTemporaryIndex } from "./temporary-index.ts";
import { nearestNames } from "./text.ts";

/**
 * The object id of each path in a commit: what identifies the code of a run. `.` is the whole tree.
 *
 * @throws RigorError `not-found` for a path that the commit does not have, with the nearest names.
 */
export async function treeIdentity(
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<Record<string, string>> {
  return identityOf(await objectIds(repository, commit, paths), repository, commit, paths);
}

async function identityOf(
  found: ReadonlyMap<string, string>,
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<Record<string, string>> {
  const identity: Record<string, string> = {};
  for (const path of paths) {
    const id = found.get(path);
    if (id === undefined) throw await missingPath(repository, commit, path);
    identity[path] = id;
  }
  return identity;
}

/** As {@link treeIdentity}, leaving out paths that the commit does not have. */
export async function objectIds(
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<Map<string, string>> {
  return idsIn(await listNamed(repository, commit, paths), repository, commit, paths);
}

async function idsIn(
  listed: readonly TreeEntry[],
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<Map<string, string>> {
  const wanted = new Map(paths.map((path) => [path, repositoryPath(path)]));
  const ids = new Map(listed.map(({ path, id }) => [path, id]));
  if ([...wanted.values()].includes(".")) {
    ids.set(".", (await git(repository, ["rev-parse", "--verify", `${commit}^{tree}`])).trim());
  }
  const found = new Map<string, string>();
  for (const [path, normal] of wanted) {
    const id = ids.get(normal);
    if (id !== undefined) found.set(path, id);
  }
  return found;
}

/**
 * As {@link treeIdentity}, for the code of runs, which must not hold another repository.
 *
 * @throws RigorError `repository` or `not-found`.
 */
export async function codeIdentity(
  repository: string,
  commit: string,
  paths: readonly string[],
): Promise<Record<string, string>> {
  const normal = paths.map(repositoryPath);
  const inside = await listTree(repository, commit, ["-r", "-t"], normal.includes(".") ? null : normal);
  refuseSubmodules(inside);
  const found = await idsIn(inside, repository, commit, paths);
  // A path inside a submodule shows only as the submodule above it.
  const missing = paths.filter((path) => !found.has(path));
  if (missing.length > 0) refuseSubmodules(await listNamed(repository, commit, missing));
  return identityOf(found, repository, commit, paths);
}

/** What some paths name, and the directories above them. */
async function listNamed(repository: string, commit: string, paths: readonly string[]): Promise<TreeEntry[]> {
  const names = new Set(paths.map(repositoryPath).flatMap(parentPaths));
  return (await listTree(repository, commit, ["-t"], [...names])).filter((entry) => names.has(entry.path));
}

/**
 * Refuses a submodule or a nested repository, because a commit names only its id: its files, and changes to them,
 * would not be recorded.
 */
function refuseSubmodules(entries: readonly TreeEntry[]): void {
  const modules = new Set(entries.filter((entry) => entry.mode === "160000").map((entry) => entry.path));
  if (modules.size === 0) return;
  throw new RigorError(
    "repository",
    `The code paths hold another git repository, whose files would not be recorded: ${[...modules].join(", ")}.`,
    {
      next: "Name `code` paths without it, copy its files into this repository, or add it to .gitignore if no run needs it.",
    },
  );
}

/** Modes of the directories above a path, from the top, and of the path itself; undefined where a commit has none. */
export async function committedModes(
  repository: string,
  commit: string,
  path: string,
): Promise<(string | undefined)[]> {
  const listed = await listNamed(repository, commit, [path]);
  const modes = new Map(listed.map((entry) => [entry.path, entry.mode]));
  return parentPaths(repositoryPath(path)).map((name) => modes.get(name));
}

/** The content of a committed file, or null where the commit has none at this path. */
export async function readCommitted(repository: string, commit: string, path: string): Promise<Buffer | null> {
  const outcome = await tryGit(repository, ["cat-file", "blob", `${commit}:${repositoryPath(path)}`]);
  return outcome.status === 0 ? outcome.stdout : null;
}

/**
 * Paths whose content, mode or presence differs between two commits, by name; null where git cannot tell, because the
 * repository has not both.
 */
export async function changedPaths(repository: string, from: string, to: string): Promise<string[] | null> {
  const args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none", from, to];
  const outcome = await tryGit(repository, args);
  return outcome.status === 0 ? splitNames(outcome.stdout).map(nameText).sort() : null;
}

/**
 * Writes files of a commit into an existing empty directory, with attributes and executable bits as committed and
 * independent of the present working files. `export-ignore` leaves nothing out.
 */
export async function exportFiles(
  repository: string,
  commit: string,
  directory: string,
  paths: readonly string[] | "all" = "all",
): Promise<void> {
  const gitDirectory = (await git(repository, ["rev-parse", "--absolute-git-dir"])).replace(/\n$/, "");
  await mkdir(directory, { recursive: true });
  await withTemporaryIndex(async (indexFile) => {
    // The target is the working tree, so that .gitattributes are those of the commit, not those lying in the repository.
    const env = { GIT_DIR: gitDirectory, GIT_WORK_TREE: directory, GIT_INDEX_FILE: indexFile };
    const plain = ["core.sparseCheckout=false", "core.bare=false", "core.autocrlf=false", "core.eol=lf"];
    const config = plain.flatMap((setting) => ["-c", setting]);
    await git(directory, [...config, "read-tree", commit], { env });
    if (paths === "all") {
      await git(directory, [...config, "checkout-index", "--all", "--force", "--quiet"], { env });
      return;
    }
    const normal = paths.map(repositoryPath);
    const files = await listTree(repository, commit, ["-r"], normal.includes(".") ? null : normal);
    const input = Buffer.concat(files.filter((entry) => entry.mode !== "160000").map((entry) => entry.line));
    await git(directory, [...config, "checkout-index", "--force", "--quiet", "-z", "--stdin"], { env, input });
  });
}

/** A file or a link of a commit. */
export interface CommittedFile {
  /** Bytes of its path. */
  name: Buffer;
  isLink: boolean;
  executable: boolean;
}

/** All files and links of a commit at or below some paths; submodules have none. */
export async function committedFiles(
  repository: string,
  commit: string,
  paths: readonly string[] | "all" = "all",
): Promise<CommittedFile[]> {
  const normal = paths === "all" ? ["."] : paths.map(repositoryPath);
  const entries = await listTree(repository, commit, ["-r"], normal.includes(".") ? null : normal);
  const files = entries.filter(({ mode }) => mode !== "160000");
  return files.map(({ mode, line }) => {
    return { name: line.subarray(0, -1), isLink: mode === "120000", executable: mode === "100755" };
  });
}

/**
 * A path relative to the top of the repository in its shortest form, without a slash at the end.
 *
 * @throws RigorError `file-invalid` for a path outside the repository.
 */
export function repositoryPath(path: string): string {
  const normal = posix.normalize(path === "" ? "." : path).replace(/(.)\/+$/, "$1");
  if (posix.isAbsolute(normal) || normal === ".." || normal.startsWith("../")) {
    throw new RigorError("file-invalid", `${path} is outside the repository.`, {
      next: "Name paths relative to the top of the repository.",
    });
  }
  return normal;
}

interface TreeEntry {
  mode: string;
  id: string;
  path: string;
  /** The name's bytes, ended by NUL. */
  line: Buffer;
}

/** Entries of a commit at or below the given paths; `null` takes the whole commit, an empty list nothing. */
async function listTree(
  repository: string,
  commit: string,
  flags: string[],
  paths: readonly string[] | null,
): Promise<TreeEntry[]> {
  if (paths?.length === 0) return [];
  const args = ["ls-tree", "-z", "--full-tree", ...flags, commit, ...(paths === null ? [] : ["--", ...paths])];
  return splitNames(await gitBytes(repository, args)).map((entry) => {
    const tab = entry.indexOf("\t");
    const [mode = "", , id = ""] = entry.slice(0, tab).split(" ");
    const name = entry.slice(tab + 1);
    return { mode, id, path: nameText(name), line: nameBytes(`${name}\0`) };
  });
}

function parentPaths(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/")).filter((parent) => parent !== ".");
}

async function missingPath(repository: string, commit: string, path: string): Promise<RigorError> {
  const what = `${path} is not in commit ${commit.slice(0, 12)}`;
  // check-ignore takes names literally anyway, and refuses to be told so.
  const env = { GIT_LITERAL_PATHSPECS: "0" };
  if ((await tryGit(repository, ["check-ignore", "--quiet", "--", repositoryPath(path)], { env })).status === 0) {
    return new RigorError("not-found", `${what}: git ignores it.`, {
      next: "Remove it from .gitignore, or declare it under `inputs` if it is data.",
    });
  }
  const entries = await listTree(repository, commit, ["-r", "-t"], null);
  const near = nearestNames(
    repositoryPath(path),
    entries.slice(0, 20_000).map((entry) => entry.path),
  );
  return new RigorError("not-found", what, {
    next: near.length > 0 ? `Did you mean ${near.join(", ")}?` : "Paths are relative to the top of the repository.",
  });
}
