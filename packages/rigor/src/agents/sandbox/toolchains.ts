import { access, constants, realpath } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join, relative, sep } from "node:path";

/** Directories of a home that hold more than one program's files, keys among them. */
const shared = new Set([".local", ".config", ".cache"]);

/**
 * What a policy has to make readable for a command to find the programs that its user finds: the directories of a `PATH`,
 * each with the libraries beside it. Of `~/.pyenv/shims` that is `~/.pyenv`, of `~/miniconda3/bin` it is `~/miniconda3`.
 * Never the home directory itself.
 */
export function toolchains(path: string, home: string): string[] {
  const directories = path.split(delimiter).filter((directory) => isAbsolute(directory));
  const found = directories.map((directory) => toolchain(directory, home));
  return [...new Set(found)].filter((directory) => !isAbove(directory, home));
}

/**
 * What has to be readable for a command whose words name files: a package of npm needs all that is installed with it,
 * anything else what lies beside it.
 */
export async function programTrees(command: readonly string[], home: string): Promise<string[]> {
  const files = await Promise.all(command.filter(isAbsolute).map((word) => realpath(word).catch(() => null)));
  return toolchains(files.flatMap((file) => (file === null ? [] : [treeOf(file)])).join(delimiter), home);
}

function treeOf(file: string): string {
  const [before, ...after] = file.split(`${sep}node_modules${sep}`);
  return after.length === 0 ? dirname(file) : join(before ?? "", "node_modules");
}

/** The file that a name on a `PATH` means; null where there is none. */
export async function findProgram(name: string, path: string): Promise<string | null> {
  const directories = name.includes("/") ? [""] : path.split(delimiter).filter(Boolean);
  for (const directory of directories) {
    const file = join(directory, name);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return null;
}

function toolchain(directory: string, home: string): string {
  const inside = relative(home, directory);
  const [first = ""] = inside.split(sep);
  const isInHome = first !== "" && first !== "..";
  if (isInHome && first.startsWith(".") && !shared.has(first)) return join(home, first);
  const parent = dirname(directory);
  const isOwn = directory.endsWith("/bin") && !shared.has(first) && !isAbove(parent, home);
  return isOwn ? parent : directory;
}

function isAbove(directory: string, home: string): boolean {
  return directory === "/" || `${home}/`.startsWith(`${directory}/`);
}
