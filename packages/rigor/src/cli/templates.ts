import { readFile } from "node:fs/promises";

/** Directories of the package lie two levels above this file, in source and in build. */
const packageDirectory = new URL("../../", import.meta.url);

/** A file of the package's `templates`. */
export function readTemplate(path: string): Promise<string> {
  return readFile(new URL(`templates/${path}`, packageDirectory), "utf8");
}

/** A file of the package's `helpers`, which runs use to report metrics. */
export function readHelper(name: string): Promise<string> {
  return readFile(new URL(`helpers/${name}`, packageDirectory), "utf8");
}
