import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { open, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { RigorError } from "../domain/errors.ts";

export interface GitOptions {
  /** Added to the environment; `GIT_INDEX_FILE`, `GIT_DIR` and the like are only ever set here. */
  env?: Record<string, string>;
  /** Written to git's standard input. */
  input?: string | Buffer;
}

/** How a git command ended; a status other than 0 is not an error here. */
export interface GitOutcome {
  status: number;
  stdout: Buffer;
  stderr: string;
}

/** Variables that would point git at another repository, index or meaning of paths than the one asked for. */
const inheritedVariables = [
  "GIT_DIR",
  "GIT_INDEX_FILE",
  "GIT_WORK_TREE",
  "GIT_COMMON_DIR",
  "GIT_OBJECT_DIRECTORY",
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
  "GIT_NAMESPACE",
  "GIT_PREFIX",
  "GIT_GRAFT_FILE",
  "GIT_SHALLOW_FILE",
  "GIT_REPLACE_REF_BASE",
  "GIT_GLOB_PATHSPECS",
  "GIT_NOGLOB_PATHSPECS",
  "GIT_ICASE_PATHSPECS",
];

/** Settings that keep git from running hooks or daemons, and from depending on the user's taste. */
const settings = [
  "core.fsmonitor=false",
  "core.hooksPath=/dev/null",
  "core.safecrlf=false",
  "core.splitIndex=false",
  "gc.auto=0",
  "i18n.commitEncoding=UTF-8",
].flatMap((setting) => ["-c", setting]);

const maxOutputBytes = 1024 ** 3;

/**
 * Runs git in a directory and returns what it printed.
 *
 * @throws RigorError `git` with git's own words when git refuses.
 */
export async function git(repository: string, args: readonly string[], options: GitOptions = {}): Promise<string> {
  return (await gitBytes(repository, args, options)).toString("utf8");
}

/** As {@link git}, for output that is not text: file contents, or names that need not be UTF-8. */
export async function gitBytes(repository: string, args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  const outcome = await tryGit(repository, args, options);
  if (outcome.status === 0) return outcome.stdout;
  throw gitFailure(`git ${args[0]} failed in ${repository}`, outcome);
}

/**
 * Runs git and returns how it ended, for questions where "no" is an answer.
 *
 * @throws RigorError `git` only when git cannot be started or was killed.
 */
export function tryGit(repository: string, args: readonly string[], options: GitOptions = {}): Promise<GitOutcome> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      "git",
      [...settings, ...args],
      { cwd: repository, env: environment(options.env), encoding: "buffer", maxBuffer: maxOutputBytes },
      (error, stdout, stderr) => {
        const outcome = { status: 0, stdout, stderr: stderr.toString("utf8") };
        if (error === null) resolve(outcome);
        else if (typeof error.code === "number") resolve({ ...outcome, status: error.code });
        else reject(notStarted(repository, args, error));
      },
    );
    // A pipe that git closed early shows in its exit status, which is reported above.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? "");
  });
}

/**
 * Runs git with its output written to a new file, for output of any size.
 *
 * @throws RigorError `git` with git's own words when git refuses.
 */
export async function gitToFile(
  repository: string,
  args: readonly string[],
  file: string,
  input: string,
): Promise<void> {
  const output = await open(file, "wx");
  try {
    const child = spawn("git", [...settings, ...args], {
      cwd: repository,
      env: environment(),
      stdio: ["pipe", output.fd, "pipe"],
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once("error", (error) => reject(notStarted(repository, args, error)));
      child.once("close", resolve);
    });
    // A pipe that git closed early shows in its exit status.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const status = await ended;
    if (status === 0) return;
    const outcome = { status: status ?? -1, stdout: Buffer.alloc(0), stderr };
    throw gitFailure(`git ${args[0]} failed in ${repository}`, outcome);
  } finally {
    await output.close();
  }
}

/**
 * The top directory (real path) of the repository that a path lies in.
 *
 * @throws RigorError `repository` when there is none, when it has no working files, or when git distrusts it.
 */
export async function findRepository(path: string): Promise<string> {
  const directory = await existingDirectory(path);
  const outcome = await tryGit(directory, ["rev-parse", "--show-toplevel"]);
  if (outcome.status === 0) return realpath(outcome.stdout.toString("utf8").replace(/\n$/, ""));
  if (/must be run in a work tree/.test(outcome.stderr)) {
    throw new RigorError("repository", `${path} is a git repository without working files.`, {
      next: "Run this in a clone or a worktree of it.",
    });
  }
  if (/dubious ownership/.test(outcome.stderr)) {
    throw new RigorError("repository", `git does not trust the repository of ${path}: ${words(outcome)}`, {
      next: `If you trust it: git config --global --add safe.directory ${directory}`,
    });
  }
  if (/not a git repository/.test(outcome.stderr)) {
    throw new RigorError("repository", `${path} is in no git repository.`, {
      next: "Code is recorded as git commits. Run `git init` there and commit your files, or name another directory.",
    });
  }
  throw gitFailure(`git cannot read the repository of ${path}`, outcome);
}

/** Whether a repository has a commit. */
export async function hasCommit(repository: string, commit: string): Promise<boolean> {
  return (await tryGit(repository, ["cat-file", "-e", `${commit}^{commit}`])).status === 0;
}

/** Names that git lists with `-z`: bytes, one character each, so that no name is damaged on its way back to git. */
export function splitNames(output: Buffer): string[] {
  const names = output.toString("latin1").split("\0");
  if (names.at(-1) === "") names.pop();
  return names;
}

/** The bytes of a name from {@link splitNames}. */
export function nameBytes(name: string): Buffer {
  return Buffer.from(name, "latin1");
}

/** A name from {@link splitNames} as text for people; bytes that are not UTF-8 show as replacement characters. */
export function nameText(name: string): string {
  return nameBytes(name).toString("utf8");
}

async function existingDirectory(path: string): Promise<string> {
  try {
    return (await stat(path)).isDirectory() ? path : dirname(path);
  } catch (cause) {
    throw new RigorError("repository", `${path} cannot be read.`, {
      next: "Name a directory inside a git repository.",
      cause,
    });
  }
}

function environment(added: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = { ...process.env };
  for (const name of inheritedVariables) delete inherited[name];
  return {
    ...inherited,
    LC_ALL: "C",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
    GIT_LITERAL_PATHSPECS: "1",
    // A commit id must name its own content, whatever refs/replace says.
    GIT_NO_REPLACE_OBJECTS: "1",
    ...added,
  };
}

/** What a person can do about git's own words, the first that fits. */
const remedies: readonly (readonly [words: RegExp, next: string])[] = [
  [
    /\.lock': File exists|cannot lock ref|could not lock/,
    "Another git is at work, or one was killed: when none is, remove the lock file.",
  ],
  [/No space left|Disk quota exceeded/, "Make room on the disk."],
  [/Permission denied|Read-only file system/, "Let the user of the daemon write there."],
  [
    /corrupt|is empty|bad object|bad tree|unable to read|could not (?:read|parse)|missing (?:blob|tree|commit)|not our ref/,
    "The repository is damaged: `git fsck` says what is missing. Get it from another clone: git fetch.",
  ],
];

/** The error of a git command that failed, with git's own words. */
export function gitFailure(what: string, outcome: Pick<GitOutcome, "status" | "stderr">): RigorError {
  const said = words(outcome);
  const [, next] = remedies.find(([pattern]) => pattern.test(said)) ?? [];
  return new RigorError("git", `${what}: ${said}`, next === undefined ? {} : { next });
}

function words(outcome: Pick<GitOutcome, "status" | "stderr">): string {
  const text = outcome.stderr.trim();
  return text === "" ? `exit status ${outcome.status}` : text;
}

function notStarted(repository: string, args: readonly string[], cause: Error): RigorError {
  if ("code" in cause && cause.code === "ENOENT") {
    if (!existsSync(repository)) {
      return new RigorError("git", `The repository ${repository} is gone.`, { next: "Put it back.", cause });
    }
    return new RigorError("git", "There is no program `git` on PATH.", {
      next: "Install git 2.31 or newer. The daemon has the PATH of the shell that started it: `rigor down`, then try again.",
      cause,
    });
  }
  return new RigorError("git", `git ${args[0]} did not finish in ${repository}: ${cause.message}`, { cause });
}
