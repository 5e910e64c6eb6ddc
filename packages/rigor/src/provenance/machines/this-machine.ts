import { execFile } from "node:child_process";
import { access, constants, readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { Machine } from "./machine.ts";
import { isMissing } from "../../hosts/system-errors.ts";

const run = promisify(execFile);

/** The machine that Rigor itself runs on, with the programs that this process finds. */
export const thisMachine = machineHere(() => process.env);

/** The same, with the programs on another `PATH`. */
export const thisMachineBy = (searchPath: string): Machine => machineHere(() => ({ ...process.env, PATH: searchPath }));

function machineHere(environment: () => NodeJS.ProcessEnv): Machine {
  return {
    host: "this machine",

    facts: async () => ({ name: hostname(), os: process.platform, arch: process.arch }),

    async printed(program, args) {
      try {
        const { stdout } = await run(program, [...args], {
          env: environment(),
          timeout: 60_000,
          maxBuffer: 64 * 1024 * 1024,
        });
        return stdout.trim();
      } catch {
        return null; // The caller says what the absence means.
      }
    },

    async firstOnPath(programs) {
      for (const program of programs) {
        for (const directory of (environment()["PATH"] ?? "").split(delimiter)) {
          if (directory !== "" && (await isAllowed(join(directory, program), constants.X_OK))) return program;
        }
      }
      return null;
    },

    async existing(paths) {
      const found = await Promise.all(paths.map((path) => isAllowed(path, constants.F_OK)));
      return paths.filter((_, index) => found[index]);
    },

    readText: (path) => orMissing(readFile(path, "utf8"), null),

    async readTexts(directory, ending) {
      const names = (await orMissing(readdir(directory), [])).filter((name) => name.endsWith(ending)).sort();
      return Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
    },
  };
}

async function isAllowed(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function orMissing<Value, Absence>(read: Promise<Value>, absence: Absence): Promise<Value | Absence> {
  try {
    return await read;
  } catch (error) {
    if (isMissing(error)) return absence;
    throw error;
  }
}
