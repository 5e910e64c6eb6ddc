import { createHash, randomBytes } from "node:crypto";
import { createReadStream, readFileSync, statSync, type BigIntStats } from "node:fs";
import { mkdtemp, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RigorError } from "../domain/errors.ts";

/** A regular file below a directory; links are followed. */
export interface FoundFile {
  /** Relative to the directory, with `/`. */
  path: string;
  absolute: string;
}

/** Bytes that are read in one piece. */
const pieceSize = 1024 * 1024;

/** Bytes that are read faster than another thread can be asked to. */
const smallSize = 64 * 1024;

/** SHA-256 of a file's content, read in pieces. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  const { size } = statSync(path);
  if (size <= smallSize) return hash.update(readFileSync(path)).digest("hex");
  const stream: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: pieceSize });
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}

/**
 * All files below a directory, sorted by the bytes of their path. Symbolic links are followed, because what counts is
 * what a program reads; empty directories and sockets are left out.
 *
 * @throws RigorError `not-found` for a link that leads nowhere, `not-possible` for a link to a directory above it.
 */
export async function listFiles(directory: string): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  await collect(directory, "", [await realpath(directory)], files);
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

async function collect(directory: string, prefix: string, ancestors: string[], files: FoundFile[]): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const absolute = join(directory, entry.name);
    const path = `${prefix}${entry.name}`;
    const isLink = entry.isSymbolicLink();
    const kind = isLink ? await linkedKind(absolute) : entry;
    if (kind.isFile()) files.push({ path, absolute });
    if (!kind.isDirectory()) continue;
    const real = isLink ? await realpath(absolute) : absolute;
    if (isLink && ancestors.includes(real)) {
      throw new RigorError("not-possible", `${absolute} is a link to a directory that holds it.`, {
        next: "Remove the link: the directory would have no end.",
      });
    }
    await collect(absolute, `${path}/`, [...ancestors, real], files);
  }
}

async function linkedKind(path: string): Promise<{ isFile(): boolean; isDirectory(): boolean }> {
  return stat(path).catch((cause: unknown) => {
    throw new RigorError("not-found", `${path} is a link that leads nowhere.`, { cause });
  });
}

/** What tells that a file is still the same without reading it. */
export interface FileStamp {
  size: number;
  /** Nanoseconds, as text because a number cannot hold them. */
  mtime_ns: string;
  ctime_ns: string;
  inode: string;
}

export async function fileStamp(path: string): Promise<FileStamp & { executable: boolean }> {
  const found: BigIntStats = await stat(path, { bigint: true });
  return {
    size: Number(found.size),
    mtime_ns: String(found.mtimeNs),
    ctime_ns: String(found.ctimeNs),
    inode: String(found.ino),
    executable: (found.mode & 0o100n) !== 0n,
  };
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.size === b.size && a.mtime_ns === b.mtime_ns && a.ctime_ns === b.ctime_ns && a.inode === b.inode;
}

/** Writes a file so that a reader sees the old or the new content, never a part, also after a loss of power. */
export async function writeWhole(path: string, content: string, mode = 0o666): Promise<void> {
  const partial = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(partial, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** Gives `work` an empty directory, and removes it afterwards. */
export async function withTemporaryDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "rigor-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Runs `work` over all items, at most `limit` at a time, and returns the results in the items' order. */
export async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array<R>(items.length);
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
