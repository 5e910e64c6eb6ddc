import { join } from "node:path";
import { mkdir, writeFile } from "node:fs/promises";
import { withTemporaryDirectory } from "../../provenance/files.ts";
import { git, gitBytes, gitFailure, nameBytes, nameText, splitNames, tryGit } from "../../provenance/git.ts";
import { noSettings, ownGit } from "./own-git.ts";

/** What was done to a file. Lines are null for a file that is no text. */
export interface ChangedFile {
  path: string;
  change: "added" | "changed" | "removed";
  added: number | null;
  removed: number | null;
}

export interface Change {
  files: ChangedFile[];
  /** As `git diff` prints it. */
  diff: string;
  /** Files whose differences are not in `diff`, because they are too long. */
  leftOut: string[];
}

export interface ChangeLimits {
  /** Lines of one file's differences. */
  fileLines?: number;
  /** Lines of all files' differences. */
  lines?: number;
  files?: number;
}

/** The difference between two commits, for a reader. Long files, such as locks and data, are listed and not shown. */
export async function describeChange(
  repository: string,
  base: string,
  commit: string,
  { fileLines = 2_000, lines = 10_000, files: most = 1_000 }: ChangeLimits = {},
): Promise<Change> {
  const files = await listChange(repository, base, commit);
  let room = lines;
  const shown: string[] = [];
  const leftOut: string[] = [];
  for (const { name, file } of files) {
    const length = (file.added ?? 0) + (file.removed ?? 0);
    if (length > fileLines || length > room || shown.length === most) {
      leftOut.push(file.path);
      continue;
    }
    shown.push(name);
    room -= length;
  }
  return { files: files.map(({ file }) => file), diff: await diffOf(repository, base, commit, shown), leftOut };
}

/** First and last line of a piece of a file, counted from 1. */
export interface LineRange {
  from: number;
  to: number;
}

/** The lines that a change added, by file as the newer commit names it. Files with quotes in their name are left out. */
export async function addedLines(repository: string, base: string, commit: string): Promise<Map<string, LineRange[]>> {
  const plain = ["--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"];
  const asked = ["-c", "core.quotePath=false", "diff-tree", "-r", "-p", "-U0", ...plain, base, commit];
  const found = new Map<string, LineRange[]>();
  let ranges: LineRange[] = [];
  // Lines of the present piece that are still to come: what they look like means nothing.
  let content = 0;
  for (const line of (await git(repository, asked)).split("\n")) {
    if (line.startsWith("\\")) continue;
    if (content > 0) {
      content -= 1;
      continue;
    }
    const [, file] = /^\+\+\+ b\/(.*?)\t?$/.exec(line) ?? [];
    if (file !== undefined) found.set(file, (ranges = []));
    const [, removed, from, added] = /^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line) ?? [];
    if (from === undefined) continue;
    const length = Number(added ?? 1);
    content = Number(removed ?? 1) + length;
    if (length > 0) ranges.push({ from: Number(from), to: Number(from) + length - 1 });
  }
  return found;
}

/**
 * Which paths some patterns name; patterns as in `.gitignore`, read by git itself.
 *
 * @param paths relative to the top of a repository
 */
export async function matchingPaths(patterns: readonly string[], paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0 || patterns.length === 0) return [];
  return withTemporaryDirectory(async (directory) => {
    await ownGit(directory, ["init", "--quiet", "--template="]);
    await mkdir(join(directory, ".git/info"), { recursive: true });
    await writeFile(join(directory, ".git/info/exclude"), patterns.map((pattern) => `${pattern}\n`).join(""));
    const input = paths.map((path) => `${path}\0`).join("");
    // git refuses to take these names literally, as it is told everywhere else.
    const env = { ...noSettings, GIT_LITERAL_PATHSPECS: "0" };
    const asked = ["check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"];
    const { status, stdout, stderr } = await tryGit(directory, asked, { env, input });
    // 1 says that no path matches.
    if (status > 1) throw gitFailure("git cannot tell which files match", { status, stderr });
    const fields = splitNames(stdout);
    const rows = Array.from({ length: fields.length / 4 }, (_, row) => fields.slice(4 * row, 4 * row + 4));
    return rows
      .filter(([, , pattern = ""]) => pattern !== "" && !pattern.startsWith("!"))
      .map(([, , , path = ""]) => nameText(path));
  });
}

async function listChange(
  repository: string,
  base: string,
  commit: string,
): Promise<{ name: string; file: ChangedFile }[]> {
  const plain = ["-r", "-z", "--no-renames", "--ignore-submodules=none"];
  const kinds = splitNames(await gitBytes(repository, ["diff-tree", ...plain, "--name-status", base, commit]));
  const counts = splitNames(await gitBytes(repository, ["diff-tree", ...plain, "--numstat", base, commit]));
  const changes = { A: "added", D: "removed" } as const;
  return counts.map((line, index) => {
    const [added = "-", removed = "-", name = ""] = line.split("\t");
    const change = changes[kinds[2 * index] as keyof typeof changes] ?? "changed";
    const number = (text: string) => (text === "-" ? null : Number(text));
    return { name, file: { path: nameText(name), change, added: number(added), removed: number(removed) } };
  });
}

async function diffOf(repository: string, base: string, commit: string, names: readonly string[]): Promise<string> {
  if (names.length === 0) return "";
  const plain = ["-r", "-p", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color"];
  const paths = names.map((name) => nameBytes(name).toString("utf8"));
  return git(repository, ["diff-tree", ...plain, base, commit, "--", ...paths]);
}
