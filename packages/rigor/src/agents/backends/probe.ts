import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { hasCode } from "../../hosts/system-errors.ts";
import type { BackendProbe } from "./backend.ts";

const run = promisify(execFile);

/** Milliseconds in which a program must say its version. */
const patience = 20_000;

export interface ProgramNeeds {
  /** What to do where it is missing, and where it is too old. */
  install: string;
  update: string;
  /** Options that its help must list. */
  neededFlags: readonly string[];
}

/** Asks a program for its version, and whether it has the options that are needed. */
export async function probeProgram(
  command: string,
  { install, update, neededFlags }: ProgramNeeds,
  helpArguments: readonly string[] = ["--help"],
): Promise<BackendProbe> {
  try {
    const version = (await ask(command, ["--version"])).trim().split("\n").at(-1) ?? "";
    const help = await ask(command, helpArguments);
    const missing = neededFlags.filter((flag) => !help.includes(flag));
    if (missing.length === 0) return { usable: true, version, problem: null, remedy: null };
    const problem = `${command} ${version} does not know ${missing.join(", ")}.`;
    return { usable: false, version, problem, remedy: update };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    const problem = hasCode(error, "ENOENT") ? `${command} is not installed.` : `${command} cannot be used: ${why}`;
    return { usable: false, version: null, problem, remedy: install };
  }
}

async function ask(command: string, words: readonly string[]): Promise<string> {
  const { stdout } = await run(command, words, { timeout: patience, encoding: "utf8" });
  return stdout;
}
