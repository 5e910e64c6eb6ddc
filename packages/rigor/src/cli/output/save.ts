import { statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { RigorError } from "../../domain/errors.ts";

/** @throws RigorError `not-possible` for a file that exists, unless it may be replaced, and for a place without room for it */
export async function saveText(file: string, text: string, replace: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: replace ? "w" : "wx" });
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** What is wrong with the place that a person named. */
function unwritable(file: string, cause: unknown): unknown {
  if (!(cause instanceof Error && "code" in cause)) return cause;
  const refuse = (message: string, next: string) => new RigorError("not-possible", message, { next, cause });
  const isDirectory = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isDirectory) return refuse(`${file} is a directory.`, "Name a file in it.");
  switch (cause.code) {
    case "EEXIST":
      return refuse(`${file} exists.`, "--force replaces it.");
    case "ENOENT":
      return refuse(`There is no directory ${dirname(file)}.`, "Make it first, or choose another place.");
    case "ENOTDIR":
      return refuse(`${dirname(file)} is no directory.`, "Choose another place.");
    default:
      return refuse(`${file} cannot be written: ${cause.message}.`, "Choose another place, or mend this one.");
  }
}
