import { randomBytes } from "node:crypto";
import { chmod, mkdir, realpath, rename, stat } from "node:fs/promises";
import { dirname, join, posix, resolve } from "node:path";
import { RigorError } from "../domain/errors.ts";
import { isMissing } from "../hosts/system-errors.ts";
import { removeCheckout } from "./checkout.ts";
import { listFiles, mapLimited } from "./files.ts";
import { openHashCache } from "./hash-cache.ts";
import { copyReadOnly, treeHash, type InputContent } from "./inputs.ts";

/** What an attempt has left for other runs. */
export interface OutputSource {
  /** The output directory of the attempt, on this machine. */
  directory: string;
  /** Its result file and artifacts, relative to that: files, or directories for all files in them. */
  paths: readonly string[];
  /** What they hashed to when the attempt ended. */
  sha256: string;
  /** Whose they are, for people. */
  name: string;
  /** The command that makes them anew. */
  remedy: string;
}

const filesAtOnce = 4;

/**
 * The outputs as they are now. With a cache file, what has not changed is not read again.
 *
 * @throws RigorError `not-possible` when they are not what was recorded
 */
export async function outputContent(source: OutputSource, cacheFile: string | null): Promise<InputContent> {
  const found = new Map<string, string>();
  for (const path of source.paths) for (const file of await filesAt(source, path)) found.set(file.path, file.absolute);
  const cache = await openHashCache(cacheFile);
  const files = await mapLimited([...found], filesAtOnce, async ([path, place]) => {
    const absolute = await realpath(place);
    const { sha256, size, executable } = await cache.hash(absolute);
    return { path, absolute, sha256, size, executable };
  });
  await cache.save();
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  if (treeHash(files) !== source.sha256) throw changedOutputs(source);
  return { kind: "directory", sha256: source.sha256, files };
}

async function filesAt(source: OutputSource, path: string): Promise<{ path: string; absolute: string }[]> {
  const inside = posix.normalize(path).replace(/\/+$/, "");
  const absolute = join(source.directory, inside);
  try {
    if (!(await stat(absolute)).isDirectory()) return [{ path: inside, absolute }];
    return (await listFiles(absolute)).map((file) => ({ ...file, path: posix.join(inside, file.path) }));
  } catch (error) {
    // A declared output that was not written is none that was recorded.
    if (isMissing(error)) return [];
    throw error;
  }
}

export function changedOutputs({ name, directory, remedy }: OutputSource): RigorError {
  return new RigorError("not-possible", `The outputs of ${name} in ${directory} are no longer what was recorded.`, {
    next: `Run it again: ${remedy}`,
  });
}

/**
 * Puts outputs into `directory/<sha256>`, once for equal content, read-only: whatever a run does with them, what
 * its neighbour has recorded stays as it is.
 */
export async function placeOutputs(source: OutputSource, directory: string, cacheFile: string | null): Promise<string> {
  const target = resolve(directory, source.sha256);
  if (await isPresent(target)) return target;
  const { files } = await outputContent(source, cacheFile);
  const partial = `${target}.partial-${process.pid}-${randomBytes(6).toString("hex")}`;
  const directories = new Set([partial, ...files.map((file) => dirname(join(partial, file.path)))]);
  try {
    for (const one of directories) await mkdir(one, { recursive: true });
    await mapLimited(files, filesAtOnce, (file) => copyReadOnly(file.absolute, join(partial, file.path)));
    for (const one of [...directories].sort((a, b) => b.length - a.length)) await chmod(one, 0o555);
    await rename(partial, target);
  } catch (error) {
    await removeCheckout(partial);
    // Another process was first.
    if (await isPresent(target)) return target;
    throw error;
  }
  return target;
}

async function isPresent(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
