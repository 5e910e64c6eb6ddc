import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What a program prints, without white space at its ends; null when it is not there or fails. */
export async function printed(program: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout } = await run(program, [...args], { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 });
    return stdout.trim();
  } catch {
    return null; // The caller says what the absence means.
  }
}

/** The first of some programs that is on PATH. */
export async function firstOnPath(programs: readonly string[]): Promise<string | null> {
  for (const program of programs) {
    for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
      const found = await access(join(directory, program), constants.X_OK).then(
        () => true,
        () => false,
      );
      if (directory !== "" && found) return program;
    }
  }
  return null;
}

/** Leaves out what is null. */
export function present(values: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null));
}
