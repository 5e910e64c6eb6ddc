import { join } from "node:path";
import type { EnvironmentManager } from "./manager.ts";
import { describePython, pythonRuntime, requirementReferences, venv, venvVariables } from "./python.ts";

/**
 * Python with uv: `uv sync --frozen` from `uv.lock`, or `uv pip sync` from a requirements file. A project with a build
 * system is installed too, from the committed files and not editable, so that nothing changes underneath a run.
 * Written from uv's documentation; the command lines are tested, uv itself is not run by the tests.
 */
export const uv: EnvironmentManager = {
  name: "uv",
  defaultLock: "uv.lock",
  defaultSetup: "uv sync --frozen",
  tools: ["uv"],
  toolHint: "Install uv (https://docs.astral.sh/uv/getting-started/installation/), or use `environment.manager: pip`.",

  async references({ name, text, read }) {
    if (!isUvLock(name)) {
      return { paths: await requirementReferences(name, text, read), companions: [], whole_directory: false };
    }
    const project = (await read("pyproject.toml")) ?? "";
    const isPackage = /^\s*\[build-system\]/m.test(project) || /^\s*package\s*=\s*true/m.test(project);
    const local = uvLockPaths(text);
    const paths = ["pyproject.toml", "uv.toml", ".python-version", ...(isPackage ? ["."] : []), ...local];
    return { paths, companions: [], whole_directory: isPackage || local.length > 0 };
  },

  isPlainSetup: (setup) => /^uv sync( --?[\w-]+(=[\w-]+)?)*$/.test(setup.trim()),
  runtime: pythonRuntime,

  commands(plan) {
    if (plan.setup !== null) return [["sh", "-c", plan.setup]];
    if (isUvLock(plan.lock_name)) return [["uv", "sync", "--frozen", "--no-editable"]];
    const python = join(venv(plan), "bin", "python");
    return [
      ["uv", "venv", venv(plan)],
      ["uv", "pip", "sync", "--python", python, plan.lock_name],
    ];
  },

  buildVariables: (plan) => ({ ...venvVariables(plan).variables, UV_PROJECT_ENVIRONMENT: venv(plan) }),
  variables: venvVariables,
  links: async () => ({}),

  describe(plan, machine) {
    const python = join(venv(plan), "bin", "python");
    return describePython(machine, python, ["uv", "pip", "list", "--format", "json", "--python", python]);
  },
};

/** Local packages of a `uv.lock` other than the project itself: `source = { directory = "libs/a" }`. */
export function uvLockPaths(text: string): string[] {
  const sources = text.matchAll(/source = \{ (?:editable|directory|path|virtual) = "([^"]+)" \}/g);
  return [...new Set([...sources].map(([, path]) => path ?? "."))].filter((path) => path !== ".");
}

function isUvLock(name: string): boolean {
  return name === "uv.lock";
}
