import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import { parseSettings, type Settings } from "../../domain/files/settings.ts";
import { isMissing } from "../../hosts/system-errors.ts";

const known = new Map<string, { mtime: number; settings: Settings }>();

/**
 * The `rigor.yaml` of a repository as it is now; defaults where there is none. It describes machines, not runs, so
 * it is read from the working tree and no run is identified by it.
 */
export function readSettings(repository: string): Settings {
  const file = join(repository, "rigor.yaml");
  const status = statSync(file, { throwIfNoEntry: false });
  if (status !== undefined && !status.isFile()) {
    throw new RigorError("file-invalid", `${file} is no ordinary file.`, {
      next: "Make it a file of settings, or remove it: every key has a default.",
    });
  }
  const mtime = status?.mtimeMs ?? 0;
  const cached = known.get(file);
  if (cached?.mtime === mtime) return cached.settings;
  const settings = parseSettings(readIfThere(file), { file });
  known.set(file, { mtime, settings });
  return settings;
}

/** The compute that an experiment names. @throws RigorError `not-found` for a name that `rigor.yaml` lacks. */
export function findCompute(settings: Settings, name: string): Compute {
  const compute = settings.compute[name];
  if (compute !== undefined) return compute;
  throw new RigorError("not-found", `There is no compute named ${name}.`, {
    next: `Add it under \`compute\` in rigor.yaml, or use one of: ${Object.keys(settings.compute).join(", ")}.`,
  });
}

/** The computes that an experiment names, in its order. @throws as `readSettings` and `findCompute` do */
export function computesOf(repository: string, names: readonly string[]): { name: string; configuration: Compute }[] {
  const settings = readSettings(repository);
  return names.map((name) => ({ name, configuration: findCompute(settings, name) }));
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}
