import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Whether a command exists in the directories of PATH. */
export function hasCommand(name: string, path = process.env["PATH"] ?? ""): boolean {
  return path.split(delimiter).some((directory) => directory !== "" && existsSync(join(directory, name)));
}
