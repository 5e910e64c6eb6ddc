import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { RigorError } from "../domain/errors.ts";
import { fileStamp, hashFile, sameStamp, writeWhole, type FileStamp } from "./files.ts";
import { isMissing } from "../hosts/system-errors.ts";

const cacheFile = z.object({
  schema: z.literal(1),
  files: z.record(
    z.string(),
    z.object({ size: z.number(), mtime_ns: z.string(), ctime_ns: z.string(), inode: z.string(), sha256: z.string() }),
  ),
});

type Entry = FileStamp & { sha256: string };

/** A file changed within this time of being read may change again without its time showing it. */
const racyNs = 2_000_000_000n;
const maxEntries = 200_000;

/** Hashes of files that were read before, by real path; kept in one JSON file so that large data are read once. */
export interface HashCache {
  /** SHA-256 of a file, given by its real path. */
  hash(path: string): Promise<{ sha256: string; size: number; executable: boolean }>;
  /** Writes what was learnt, together with what other processes wrote since. */
  save(): Promise<void>;
}

/** Opens the cache; null keeps nothing. An unreadable file is taken for empty: it only saves time. */
export async function openHashCache(path: string | null): Promise<HashCache> {
  const known = await read(path);
  const learnt = new Map<string, Entry>();
  return {
    async hash(file) {
      const stamp = await fileStamp(file);
      const entry = known.get(file);
      if (entry !== undefined && sameStamp(entry, stamp)) return { ...stamp, sha256: entry.sha256 };
      const startedNs = BigInt(Date.now()) * 1_000_000n;
      const sha256 = await hashUnchanged(file, stamp);
      const { size, mtime_ns, ctime_ns, inode } = stamp;
      const changedNs = BigInt(mtime_ns) > BigInt(ctime_ns) ? BigInt(mtime_ns) : BigInt(ctime_ns);
      if (changedNs + racyNs < startedNs) learnt.set(file, { size, mtime_ns, ctime_ns, inode, sha256 });
      return { ...stamp, sha256 };
    },
    async save() {
      if (path === null || learnt.size === 0) return;
      const entries = [...(await read(path)), ...learnt];
      await mkdir(dirname(path), { recursive: true });
      const files = Object.fromEntries(entries.slice(-maxEntries));
      await writeWhole(path, JSON.stringify({ schema: 1, files } satisfies z.infer<typeof cacheFile>));
    },
  };
}

async function hashUnchanged(file: string, before: FileStamp): Promise<string> {
  const sha256 = await hashFile(file);
  if (sameStamp(before, await fileStamp(file))) return sha256;
  throw new RigorError("not-possible", `${file} changed while it was read.`, {
    next: "Wait until it is written completely, and start again.",
  });
}

async function read(path: string | null): Promise<Map<string, Entry>> {
  if (path === null) return new Map();
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isMissing(cause)) return new Map();
    throw new RigorError("storage", `The cache of hashes ${path} cannot be read.`, { cause });
  }
  try {
    return new Map(Object.entries(cacheFile.parse(JSON.parse(text)).files));
  } catch {
    return new Map(); // Damaged or of another version: everything is hashed again.
  }
}
