import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, constants, lstat, mkdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import { RigorError } from "../domain/errors.ts";
import { sealFunctions, sealOf } from "./seal.ts";
import { exportFiles, repositoryPath } from "./tree.ts";

export interface CheckoutRequest {
  repository: string;
  commit: string;
  /** Where the files go; with a number behind it where somebody wrote into that. It exists only once they are complete. */
  directory: string;
  /** Symbolic links to place among the files: path in the checkout -> absolute target. */
  links?: Record<string, string>;
  /** Told of a directory before it is looked for. */
  onUse?(directory: string): void;
}

const run = promisify(execFile);
const running = new Map<string, Promise<string>>();

/**
 * The files of a commit in a read-only directory, made once: the directory is built beside its place and renamed, so
 * that it is complete whenever it exists. Callers at the same time, in this process or another one, are harmless.
 *
 * Root can write there all the same. A directory with a file or link of the commit that is newer than its seal, or gone, is therefore
 * not used any more; it stays for the runs that began there.
 *
 * @returns the absolute path of the directory.
 */
export function checkout(request: CheckoutRequest): Promise<string> {
  const directory = resolve(request.directory);
  const present = running.get(directory);
  if (present !== undefined) return present;
  const made = makeOnce({ ...request, directory }).finally(() => running.delete(directory));
  running.set(directory, made);
  return made;
}

/** Removes a read-only checkout; its links' targets stay. A missing directory is no error. */
export async function removeCheckout(directory: string): Promise<void> {
  if (!(await exists(directory))) return;
  await changeMode("u+w", directory);
  await rm(directory, { recursive: true, force: true });
  await rm(sealOf(directory), { force: true });
}

async function makeOnce(request: CheckoutRequest & { directory: string }): Promise<string> {
  const { repository, commit, links = {} } = request;
  const directory = await firstUsable(request);
  if (await exists(directory)) return directory;
  const partial = `${directory}.partial-${process.pid}-${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(partial, { recursive: true });
    await exportFiles(repository, commit, partial);
    for (const [path, target] of Object.entries(links)) await placeLink(partial, path, target);
    await changeMode("a-w", partial);
    await shell('seal "$1" "$2"', partial, sealOf(partial));
    await rename(sealOf(partial), sealOf(directory));
    await rename(partial, directory);
  } catch (error) {
    await removeCheckout(partial);
    // Another process finished the same checkout first.
    if (isOccupied(error) && (await exists(directory))) return directory;
    throw error;
  }
  return directory;
}

/** The directory itself, or else the first with a number that is unchanged or not there yet. */
async function firstUsable({ directory, onUse }: CheckoutRequest): Promise<string> {
  for (let number = 1; ; number += 1) {
    const place = number === 1 ? directory : `${directory}-${number}`;
    onUse?.(place);
    if (!(await exists(place)) || (await isUnchanged(place))) return place;
  }
}

async function isUnchanged(directory: string): Promise<boolean> {
  if (!(await exists(directory, constants.W_OK))) return true;
  return shell('unchanged "$1"', directory).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === 1) return false;
      throw error;
    },
  );
}

async function shell(command: string, ...parameters: string[]): Promise<void> {
  const script = `set -eu${sealFunctions}${command}`;
  await run("sh", ["-c", script, "sh", ...parameters], { env: { ...process.env, LC_ALL: "C" } });
}

async function placeLink(root: string, path: string, target: string): Promise<void> {
  if (!isAbsolute(target))
    throw new RigorError("internal", `The link ${path} needs an absolute target, not ${target}.`);
  const place = join(root, repositoryPath(path));
  if (await isThere(place)) throw committedLink(path);
  await mkdir(dirname(place), { recursive: true });
  await symlink(target, place);
}

/** The error of a commit that has something where a link to the environment must be. */
export function committedLink(path: string): RigorError {
  return new RigorError("repository", `${path} is committed, but belongs to the environment.`, {
    next: `Remove it from the repository: git rm -r --cached ${path}, and add it to .gitignore.`,
  });
}

/** `chmod -R` follows no links inside the directory, and one process does ten thousand files at once. */
async function changeMode(mode: string, directory: string): Promise<void> {
  await run("chmod", ["-R", mode, "--", directory]);
}

async function exists(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function isOccupied(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOTEMPTY" || error.code === "EEXIST");
}
