import { join, posix } from "node:path";
import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import type { Machine } from "../machines/machine.ts";
import type { BuildPlan, Installed } from "./manager.ts";

/** What the Python managers have in common: a virtual environment at a fixed place, and requirements files. */

export function venv(plan: BuildPlan): string {
  return join(plan.directory, "venv");
}

export function venvVariables(plan: BuildPlan) {
  return { variables: { VIRTUAL_ENV: venv(plan) }, path_prefix: [join(venv(plan), "bin")] };
}

/** `python 3.11`: packages are installed for one minor version. */
export async function pythonRuntime(machine: Machine): Promise<string | null> {
  const version = await machine.printed("python3", ["--version"]);
  return version === null ? null : version.replace(/^Python (\d+\.\d+).*$/s, "python $1");
}

/**
 * Local paths in a requirements file: packages (`./vendor/x.whl`, `-e .`, `x @ file:./x`), further requirements and
 * constraints, and directories of packages. Remote references are left out.
 */
export function requirementPaths(text: string): { packages: string[]; requirements: string[] } {
  const packages: string[] = [];
  const requirements: string[] = [];
  for (const raw of text.replace(/\\\r?\n/g, " ").split(/\r?\n/)) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    const [, option, value] =
      /^(-r|--requirement|-c|--constraint|-f|--find-links|-e|--editable)[ =]\s*(.+)$/.exec(line) ?? [];
    if (option !== undefined && value !== undefined) {
      if (isRemote(value)) continue;
      if (/^(-r|--requirement|-c|--constraint)$/.test(option)) requirements.push(localPath(value));
      else packages.push(localPath(value));
      continue;
    }
    const [, reference] = /\s@\s+(.+)$/.exec(line) ?? [];
    const target = reference ?? line;
    if (target === "" || target.startsWith("-") || isRemote(target)) continue;
    if (reference !== undefined || /^\.{1,2}(\/|$|\[)|^file:|\.(whl|tar\.gz|zip)(\s|;|#|$)|^[\w.-]+\//.test(target)) {
      packages.push(localPath(target));
    }
  }
  return { packages, requirements };
}

/** All local paths of a requirements file and of those that it includes, relative to the directory of the first. */
export async function requirementReferences(
  name: string,
  text: string,
  read: (path: string) => Promise<string | null>,
): Promise<string[]> {
  const found = new Set<string>();
  const queue = [{ name, text }];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { packages, requirements } = requirementPaths(next.text);
    for (const path of packages) found.add(path);
    for (const reference of requirements) {
      const path = posix.join(posix.dirname(next.name), reference);
      if (found.has(path)) continue;
      found.add(path);
      const included = await read(path);
      if (included !== null) queue.push({ name: path, text: included });
    }
  }
  return [...found];
}

const pipList = z.array(z.object({ name: z.string(), version: z.string() }));

/** Packages of a virtual environment by the answer of `pip list --format json`, or of `uv pip list`. */
export function parsePipList(text: string): Record<string, string> {
  return Object.fromEntries(pipList.parse(JSON.parse(text)).map(({ name, version }) => [name, version]));
}

/** What an interpreter says about itself and its packages. */
export async function describePython(
  machine: Machine,
  python: string,
  list: readonly [string, ...string[]],
): Promise<Installed> {
  const [program, ...args] = list;
  const [version, packages] = await Promise.all([
    machine.printed(python, ["--version"]),
    machine.printed(program, args),
  ]);
  if (version === null || packages === null) {
    throw new RigorError("environment", `${python} on ${machine.host} does not answer after it was built.`, {
      next: "Run it with --version to see why.",
    });
  }
  return { packages: parsePipList(packages), runtime: { python: version.replace(/^Python /, "") } };
}

function isRemote(target: string): boolean {
  return /^([a-z]+\+)?(https?|git|ssh|s3|hg|svn|bzr):|^git\+|^file:\/\/\//.test(target);
}

function localPath(target: string): string {
  return target
    .replace(/^file:(\/\/(localhost)?)?/, "")
    .replace(/[\s;#].*$/, "")
    .replace(/\[[^\]]*\]$/, "");
}
