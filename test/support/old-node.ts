import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * A Node on PATH that is too old to run Rigor itself but can start it (18 to 23), or undefined.
 * npm puts the pinned Node first on PATH, so that the machine's own stands behind it.
 */
export function findOldNode(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders
    .map((folder) => join(folder, "node"))
    .filter((program) => existsSync(program))
    .find((program) => {
      const major = Number.parseInt(execFileSync(program, ["-p", "process.versions.node"], { encoding: "utf8" }), 10);
      return major >= 18 && major < 24;
    });
}
