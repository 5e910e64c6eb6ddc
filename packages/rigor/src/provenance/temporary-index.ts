import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Gives `work` the path of an index file that does not exist yet, and removes it and its lock afterwards. */
export async function withTemporaryIndex<T>(work: (indexFile: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "rigor-index-"));
  try {
    return await work(join(directory, "index"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
