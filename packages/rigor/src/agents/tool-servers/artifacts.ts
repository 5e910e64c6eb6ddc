import { randomBytes } from "node:crypto";
import { createWriteStream, lstatSync, mkdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RigorError } from "../../domain/errors.ts";

/**
 * Puts what a tool server made on another machine among the artifacts here. The agent may write to that folder: what it
 * made of a place there does not lead the file anywhere else.
 *
 * @param folder absolute
 * @param path below it
 * @throws RigorError `refused` for a place outside the folder; what the stream or the disk says
 */
export async function receiveArtifact(content: Readable, folder: string, path: string): Promise<void> {
  const file = join(folder, path);
  const outside = new RigorError("refused", `${path} would be written outside the artifacts.`);
  if (!file.startsWith(`${folder}${sep}`)) throw outside;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const parent = realpathSync(dirname(file));
  if (!`${parent}${sep}`.startsWith(`${realpathSync(folder)}${sep}`)) throw outside;
  if (lstatSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new RigorError("refused", `${path} is a folder on this machine.`);
  }
  const partial = join(parent, `.${basename(file)}.${randomBytes(6).toString("hex")}`);
  try {
    await pipeline(content, createWriteStream(partial, { flags: "wx", mode: 0o600 }));
    renameSync(partial, join(parent, basename(file)));
  } finally {
    rmSync(partial, { force: true });
  }
}
