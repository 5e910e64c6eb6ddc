import { createWriteStream } from "node:fs";
import { readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { mapLimited, withTemporaryDirectory } from "../files.ts";
import { committedFiles, exportFiles, type CommittedFile } from "../tree.ts";
import { readRange } from "./read-range.ts";
import { tarArchive, type TarEntry } from "./tar.ts";

const filesAtOnce = 4;

/**
 * Gives `work` files of a commit, with attributes and filters applied as on this machine, as entries of an archive.
 *
 * @param prefix stands before each name
 */
export async function withTreeEntries<T>(
  tree: { repository: string; commit: string; paths: readonly string[] | "all"; prefix: string },
  work: (entries: TarEntry[]) => Promise<T>,
): Promise<T> {
  const { repository, commit, paths, prefix } = tree;
  return withTemporaryDirectory(async (directory) => {
    await exportFiles(repository, commit, directory, paths);
    const files = await committedFiles(repository, commit, paths);
    return work(await mapLimited(files, filesAtOnce, (file) => treeEntry(directory, prefix, file)));
  });
}

/** Writes all files of a commit into an archive; the same bytes each time. */
export async function writeTreeArchive(repository: string, commit: string, file: string): Promise<void> {
  await withTreeEntries({ repository, commit, paths: "all", prefix: "" }, (entries) =>
    pipeline(tarArchive(entries), createWriteStream(file)),
  );
}

async function treeEntry(directory: string, prefix: string, file: CommittedFile): Promise<TarEntry> {
  const absolute = Buffer.concat([Buffer.from(join(directory, "/")), file.name]);
  const name = Buffer.concat([Buffer.from(prefix), file.name]);
  if (file.isLink) return { type: "link", name, target: await readlink(absolute, { encoding: "buffer" }) };
  const { size } = await stat(absolute);
  return { type: "file", name, size, executable: file.executable, content: () => readRange(absolute, 0, size) };
}
