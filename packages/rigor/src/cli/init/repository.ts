import { execFile } from "node:child_process";
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { RigorError } from "../../domain/errors.ts";

const execute = promisify(execFile);

/** Where the files of `rigor init` go. */
export interface Repository {
  /** Top of the working tree, as a real path. */
  root: string;
  /** The directory that the user named, as a real path in it. */
  directory: string;
}

/** @throws RigorError `not-found` or `repository` if the directory is not in the working tree of a git repository. */
export async function findRepository(directory: string): Promise<Repository> {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) {
    throw new RigorError("not-found", `There is no directory ${directory}.`, {
      next: "Make it first, or name another one.",
    });
  }
  const top = await output("git", ["rev-parse", "--show-toplevel"], directory);
  if (top === null && (await output("git", ["--version"], directory)) === null) {
    throw new RigorError("repository", "git is not installed.", { next: "Install git: Rigor runs code from commits." });
  }
  if (top === null && (await output("git", ["rev-parse", "--git-dir"], directory)) !== null) {
    throw new RigorError("repository", `${directory} is a git repository without working files.`, {
      next: "Run this in a clone or a worktree of it.",
    });
  }
  if (top === null || top === "") {
    throw new RigorError("repository", `${directory} is not in a git repository.`, {
      next: "Rigor runs code from commits. `git init` makes a repository; then try again.",
    });
  }
  return { root: realpathSync(top), directory: realpathSync(directory) };
}

/** Languages and lock files that a repository has. */
export interface Findings {
  language: "python" | "node";
  environment: { manager: "uv" | "pip" | "conda" | "npm" | "none"; lock: string | null };
  /** Why there is no lock, in words for a comment. */
  remark: string | null;
}

const managers = [
  { file: "uv.lock", manager: "uv", language: "python", tools: ["uv"] },
  { file: "requirements.txt", manager: "pip", language: "python", tools: ["python3"] },
  { file: "environment.yml", manager: "conda", language: "python", tools: ["micromamba", "mamba", "conda"] },
  { file: "package-lock.json", manager: "npm", language: "node", tools: ["npm"] },
] as const;

/** What the first experiment is written in, and what builds its environment. */
export async function examine({ root, directory }: Repository, environment: NodeJS.ProcessEnv): Promise<Findings> {
  const places = directory === root ? [root] : [directory, root];
  const has = (name: string) => places.some((place) => existsSync(join(place, name)));
  const language = await chooseLanguage({ root, directory }, has);
  for (const { file, manager, language: itsLanguage, tools } of managers) {
    const place = places.find((one) => existsSync(join(one, file)));
    if (place === undefined || itsLanguage !== language) continue;
    const lock = relative(root, join(place, file));
    if (refersOutside(join(place, file), root)) {
      const remark = `${lock} refers to files outside the repository, which no commit holds`;
      return { language, environment: { manager: "none", lock: null }, remark };
    }
    if (tools.some((tool) => onPath(tool, environment)))
      return { language, environment: { manager, lock }, remark: null };
    const remark = `${lock} needs ${tools.join(" or ")}, which is not installed; then: { manager: ${manager}, lock: ${lock} }`;
    return { language, environment: { manager: "none", lock: null }, remark };
  }
  return { language, environment: { manager: "none", lock: null }, remark: unlocked(language, has) };
}

/** An environment is built from committed files, so a lock that names others cannot be used. */
function refersOutside(lock: string, root: string): boolean {
  const paths = [...readFileSync(lock, "utf8").matchAll(/"file:([^"]+)"/g)].map(([, path = ""]) => path);
  return paths.some((path) => relative(root, resolve(dirname(lock), path)).startsWith(".."));
}

function unlocked(language: Findings["language"], has: (name: string) => boolean): string | null {
  if (language === "python" && has("pyproject.toml")) {
    return "pyproject.toml has no lock yet; after `uv lock`: { manager: uv, lock: uv.lock }";
  }
  if (language === "node" && has("package.json")) {
    return "package.json has no lock yet; after `npm install`: { manager: npm, lock: package-lock.json }";
  }
  return null;
}

/** Python where the repository has it or has nothing else; Node where it is a package of Node's, or there is no Python. */
async function chooseLanguage(
  { directory }: Repository,
  has: (name: string) => boolean,
): Promise<Findings["language"]> {
  if (!(await pythonRuns(directory))) return "node";
  const markers = ["pyproject.toml", "uv.lock", "requirements.txt", "environment.yml", "setup.py", "setup.cfg"];
  if (markers.some(has)) return "python";
  const sources = await output("git", ["ls-files", "--", "*.py"], directory);
  if (sources !== null && sources !== "") return "python";
  return has("package.json") ? "node" : "python";
}

/** A shim may be found and still have no Python behind it. */
async function pythonRuns(directory: string): Promise<boolean> {
  const program = "import sys; print(sys.version_info >= (3, 8))";
  return (await output("python3", ["-c", program], directory)) === "True";
}

/** Directories that package managers fill: far too large for a snapshot, and made anew from a lock. */
const installed = ["node_modules", ".venv", "venv"];

/** Which of them lie at the top of the repository, and would go into snapshots. */
export async function installedAndNotIgnored({ root }: Pick<Repository, "root">): Promise<string[]> {
  const found: string[] = [];
  for (const name of installed.filter((one) => existsSync(join(root, one)))) {
    const untracked = await output("git", ["ls-files", "--others", "--exclude-standard", "--directory", name], root);
    if (untracked !== null && untracked !== "") found.push(`${name}/`);
  }
  return found;
}

/** True where `node` runs TypeScript as it is (22.18 and newer). */
export async function nodeRunsTypeScript(directory: string): Promise<boolean> {
  const version = await output("node", ["--version"], directory);
  const [major = 0, minor = 0] = (version ?? "").replace(/^v/, "").split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

function onPath(tool: string, environment: NodeJS.ProcessEnv): boolean {
  return (environment["PATH"] ?? "")
    .split(":")
    .some((directory) => directory !== "" && existsSync(join(directory, tool)));
}

/** What a program prints, without the line's end; null if it fails or does not exist. */
async function output(program: string, words: readonly string[], directory: string): Promise<string | null> {
  try {
    const { stdout } = await execute(program, words, { cwd: directory });
    return stdout.replace(/\r?\n$/, "");
  } catch {
    // Each caller takes "does not run" for an answer.
    return null;
  }
}
