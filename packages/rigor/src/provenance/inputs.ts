import { createHash, randomBytes } from "node:crypto";
import { chmod, constants, copyFile, mkdir, realpath, rename, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { RigorError } from "../domain/errors.ts";
import { removeCheckout } from "./checkout.ts";
import { hashFile, listFiles, mapLimited } from "./files.ts";
import { openHashCache, type HashCache } from "./hash-cache.ts";
import { isMissing } from "../hosts/system-errors.ts";

export interface InputHash {
  /** As the experiment states it. */
  path: string;
  /** Of a file its content; of a directory see {@link hashInputs}. */
  sha256: string;
  /** Bytes in all files. */
  size: number;
  files: number;
}

const filesAtOnce = 4;

/**
 * Hashes the declared inputs; relative paths start at the top of the repository. A directory is the SHA-256 of one
 * line per file, sorted by path: `x` or `f` (executable or not), its SHA-256, its path, each line ended by NUL.
 * Symbolic links count as what they lead to. With a cache file, content whose path, size, times and inode are
 * unchanged is not read again.
 *
 * @throws RigorError `not-found` for an input that is not there.
 */
export async function hashInputs(
  repository: string,
  inputs: Record<string, { path: string }>,
  cacheFile: string | null = null,
): Promise<Record<string, InputHash>> {
  const cache = await openHashCache(cacheFile);
  const hashes: Record<string, InputHash> = {};
  try {
    for (const [name, { path }] of Object.entries(inputs)) {
      hashes[name] = { path, ...(await hashPath(await findInput(repository, name, path), cache)) };
    }
  } finally {
    await cache.save();
  }
  return hashes;
}

/** The content of an input, file by file. */
export interface InputContent {
  kind: "file" | "directory";
  /** As {@link hashInputs} names it. */
  sha256: string;
  /** Sorted by the bytes of their path, which is empty for a single file. */
  files: InputFile[];
}

export interface InputFile {
  path: string;
  /** Real path. */
  absolute: string;
  sha256: string;
  size: number;
  executable: boolean;
}

/** What an input consists of now. With a cache file, files that have not changed are not read again. */
export async function inputContent(
  repository: string,
  name: string,
  path: string,
  cacheFile: string | null,
): Promise<InputContent> {
  return readContent(await findInput(repository, name, path), await openHashCache(cacheFile));
}

/**
 * Copies inputs into `directory/<sha256>`, once for equal content, and makes the copies read-only. Where the file
 * system can share blocks, a copy takes no space. The copy's own content is hashed before it gets its name.
 *
 * @returns the absolute path of each input's copy.
 * @throws RigorError `not-possible` when an input is no longer what was hashed.
 */
export async function stageInputs(
  repository: string,
  hashes: Record<string, InputHash>,
  directory: string,
): Promise<Record<string, string>> {
  const staged: Record<string, string> = {};
  await mkdir(directory, { recursive: true });
  for (const [name, input] of Object.entries(hashes)) {
    const target = resolve(directory, input.sha256);
    if (!(await isPresent(target)))
      await stageInput(name, await findInput(repository, name, input.path), input, target);
    staged[name] = target;
  }
  return staged;
}

/** The error of an input whose content is no longer what was hashed. */
export function changedInput(name: string, source: string): RigorError {
  return new RigorError("not-possible", `Input ${name} (${source}) changed after it was hashed.`, {
    next: "Start again, so that the run is named by the new content.",
  });
}

async function findInput(repository: string, name: string, path: string): Promise<string> {
  const absolute = resolve(repository, path);
  try {
    return await realpath(absolute);
  } catch (cause) {
    if (!isMissing(cause)) throw new RigorError("storage", `Input ${name} (${absolute}) cannot be read.`, { cause });
    throw new RigorError("not-found", `Input ${name} is missing: there is nothing at ${absolute}.`, {
      next: `Put the data there, or correct inputs.${name}.path in the experiment.`,
      cause,
    });
  }
}

async function hashPath(path: string, cache: HashCache): Promise<Omit<InputHash, "path">> {
  const { sha256, files } = await readContent(path, cache);
  return { sha256, size: files.reduce((total, file) => total + file.size, 0), files: files.length };
}

async function readContent(path: string, cache: HashCache): Promise<InputContent> {
  const found = await stat(path);
  const read = async (name: string, absolute: string): Promise<InputFile> => {
    const { sha256, size, executable } = await cache.hash(absolute);
    return { path: name, absolute, sha256, size, executable };
  };
  if (found.isFile()) {
    const file = await read("", path);
    return { kind: "file", sha256: file.sha256, files: [file] };
  }
  if (!found.isDirectory()) throw new RigorError("not-possible", `${path} is neither a file nor a directory.`);
  const listed = await listFiles(path);
  const files = await mapLimited(listed, filesAtOnce, async (file) => read(file.path, await realpath(file.absolute)));
  return { kind: "directory", sha256: treeHash(files), files };
}

/** What a directory of files, sorted by the bytes of their paths, hashes to. */
export function treeHash(files: readonly Pick<InputFile, "path" | "sha256" | "executable">[]): string {
  const tree = createHash("sha256");
  for (const file of files) tree.update(`${file.executable ? "x" : "f"} ${file.sha256} ${file.path}\0`);
  return tree.digest("hex");
}

async function stageInput(name: string, source: string, input: InputHash, target: string): Promise<void> {
  const partial = `${target}.partial-${process.pid}-${randomBytes(6).toString("hex")}`;
  try {
    const isFile = (await stat(source)).isFile();
    if (isFile) await copyReadOnly(source, partial);
    else await copyDirectory(source, partial);
    const sha256 = isFile ? await hashFile(partial) : (await hashPath(partial, await openHashCache(null))).sha256;
    if (sha256 !== input.sha256) {
      throw changedInput(name, source);
    }
    await rename(partial, target);
  } catch (error) {
    await removeCheckout(partial);
    // Another process staged the same content first.
    if (await isPresent(target)) return;
    throw error;
  }
}

async function copyDirectory(source: string, target: string): Promise<void> {
  const files = await listFiles(source);
  const directories = new Set(files.map((file) => dirname(join(target, file.path))));
  await mkdir(target, { recursive: true });
  for (const directory of directories) await mkdir(directory, { recursive: true });
  await mapLimited(files, filesAtOnce, (file) => copyReadOnly(file.absolute, join(target, file.path)));
  const deepestFirst = [...new Set([...directories, target])].sort((a, b) => b.length - a.length);
  for (const directory of deepestFirst) await chmod(directory, 0o555);
}

/** A copy that takes no space where the file system can share blocks. */
export async function copyReadOnly(source: string, target: string): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  const executable = ((await stat(source)).mode & 0o100) !== 0;
  await chmod(target, executable ? 0o555 : 0o444);
}

async function isPresent(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
