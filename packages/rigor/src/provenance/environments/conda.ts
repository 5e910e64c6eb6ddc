import { join } from "node:path";
import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import type { Machine } from "../machines/machine.ts";
import type { BuildPlan, Command, EnvironmentManager } from "./manager.ts";
import { describePython, requirementPaths } from "./python.ts";

const condaPackage = z.object({ name: z.string(), version: z.string() });

/**
 * conda, mamba or micromamba, from an `environment.yml` or an explicit lock (`conda list --explicit`, conda-lock).
 * Written from their documentation; the command lines are tested, the tools themselves are not run by the tests.
 */
export const conda: EnvironmentManager = {
  name: "conda",
  defaultLock: "environment.yml",
  defaultSetup: "conda env create -f LOCK",
  tools: ["micromamba", "mamba", "conda"],
  toolHint: "Install micromamba, mamba or conda, or use `environment.manager: pip`.",

  async references({ text }) {
    // A section `pip:` holds requirements, one list item each.
    const items = text.replace(/^\s*-\s+(?=\S)/gm, "").replace(/^["'](.*)["']$/gm, "$1");
    const { packages, requirements } = requirementPaths(items);
    const paths = isExplicit(text) ? [] : [...packages, ...requirements].filter((path) => !path.includes("::"));
    return { paths, companions: [], whole_directory: false };
  },

  isPlainSetup: () => false,
  runtime: async () => null,

  commands: (plan, tool) => [plan.setup === null ? create(plan, tool) : ["sh", "-c", plan.setup]],
  // `env create` knows no --yes in older versions; both variables are documented and ignored by the other tool.
  buildVariables: () => ({ CONDA_ALWAYS_YES: "true", MAMBA_ALWAYS_YES: "true" }),
  variables: (plan) => ({ variables: { CONDA_PREFIX: prefix(plan) }, path_prefix: [join(prefix(plan), "bin")] }),
  links: async () => ({}),

  async describe(plan, machine) {
    const records = await machine.readTexts(join(prefix(plan), "conda-meta"), ".json");
    if (records.length === 0) throw nothingBuilt(plan, machine);
    const installed = records.map((record) => condaPackage.parse(JSON.parse(record)));
    const packages = Object.fromEntries(installed.map(({ name, version }) => [name, version]));
    const python = join(prefix(plan), "bin", "python");
    const hasPython = (await machine.existing([python])).length > 0;
    if (!hasPython || packages["pip"] === undefined) return { packages, runtime: {} };
    const listed = await describePython(machine, python, [python, "-m", "pip", "list", "--format", "json"]);
    return { packages: { ...listed.packages, ...packages }, runtime: listed.runtime };
  },
};

function create(plan: BuildPlan, tool: string): Command {
  const target = ["--prefix", prefix(plan), "--file", plan.lock_name];
  if (tool === "micromamba" || isExplicit(plan.lock_text)) return [tool, "create", ...target];
  return [tool, "env", "create", ...target];
}

function nothingBuilt(plan: BuildPlan, machine: Machine): RigorError {
  return new RigorError("environment", `The build left no conda environment in ${prefix(plan)} on ${machine.host}.`, {
    next: "Let `environment.setup` make it there: at `$RIGOR_ENVIRONMENT/prefix`.",
  });
}

function isExplicit(lockText: string): boolean {
  return /^@EXPLICIT\s*$/m.test(lockText);
}

function prefix(plan: BuildPlan): string {
  return join(plan.directory, "prefix");
}
