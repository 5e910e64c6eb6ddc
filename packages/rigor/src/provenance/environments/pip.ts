import { join } from "node:path";
import type { BuildPlan, Command, EnvironmentManager } from "./manager.ts";
import { describePython, pythonRuntime, requirementReferences, venv, venvVariables } from "./python.ts";

/** Python: `python3 -m venv`, then `pip install` from a committed requirements file or `pyproject.toml`. */
export const pip: EnvironmentManager = {
  name: "pip",
  defaultLock: "requirements.txt",
  defaultSetup: "pip install -r LOCK",
  tools: ["python3"],
  toolHint: "Install Python 3 with its venv module (python3-venv on Debian), or set `environment.manager: none`.",

  async references({ name, text, read }) {
    // Installing a project reads its files, whichever they are.
    if (isProject(name)) return { paths: ["."], companions: [], whole_directory: true };
    const paths = await requirementReferences(name, text, read);
    return { paths, companions: [], whole_directory: false };
  },

  isPlainSetup: () => false,
  runtime: pythonRuntime,

  commands: (plan) => [["python3", "-m", "venv", venv(plan)], install(plan)],

  buildVariables: (plan) => ({
    ...venvVariables(plan).variables,
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_INPUT: "1",
  }),

  variables: venvVariables,
  links: async () => ({}),

  describe(plan, machine) {
    const python = join(venv(plan), "bin", "python");
    const list = ["-m", "pip", "list", "--format", "json", "--disable-pip-version-check"];
    return describePython(machine, python, [python, ...list]);
  },
};

function install(plan: BuildPlan): Command {
  if (plan.setup !== null) return ["sh", "-c", plan.setup];
  const command: Command = [join(venv(plan), "bin", "python"), "-m", "pip", "install"];
  return isProject(plan.lock_name) ? [...command, "."] : [...command, "-r", plan.lock_name];
}

function isProject(lockName: string): boolean {
  return lockName.endsWith(".toml");
}
