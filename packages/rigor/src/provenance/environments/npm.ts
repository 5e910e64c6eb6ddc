import { join, posix } from "node:path";
import { z } from "zod";
import type { Machine } from "../machines/machine.ts";
import type { BuildPlan, EnvironmentManager } from "./manager.ts";
import { present } from "./present.ts";

const lockFile = z.object({
  packages: z
    .record(
      z.string(),
      z.object({ version: z.string().optional(), resolved: z.unknown().optional(), link: z.boolean().optional() }),
    )
    .optional(),
});

const packageFile = z.object({
  scripts: z.record(z.string(), z.string()).optional(),
  workspaces: z.unknown().optional(),
});

/** Scripts of the package itself that `npm ci` runs and that may read any file beside it. */
const installScripts = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];

/** Node.js: `npm ci` from a committed `package-lock.json`; `node_modules` is linked into the checkout. */
export const npm: EnvironmentManager = {
  name: "npm",
  defaultLock: "package-lock.json",
  defaultSetup: "npm ci",
  tools: ["npm"],
  toolHint: "Install Node.js with npm, or set `environment.manager: none`.",

  async references({ text, read }) {
    const packages = Object.entries(parseLock(text));
    const local = packages.flatMap(([, entry]) => {
      if (typeof entry.resolved !== "string") return [];
      if (entry.link === true) return [entry.resolved];
      return entry.resolved.startsWith("file:") ? [entry.resolved.slice("file:".length)] : [];
    });
    const own = packageFile.safeParse(JSON.parse((await read("package.json")) ?? "{}")).data ?? {};
    const hasScripts = installScripts.some((name) => own.scripts?.[name] !== undefined);
    return {
      paths: [...(hasScripts ? ["package.json", "patches"] : []), ...new Set(local)],
      // `npm ci` refuses a package.json that asks for anything else than the lock.
      companions: ["package.json", ".npmrc"],
      whole_directory: hasScripts || local.length > 0 || own.workspaces !== undefined,
    };
  },

  isPlainSetup: (setup) => /^npm (ci|install|i)( --?[\w-]+(=[\w-]+)?)*$/.test(setup.trim()),

  async runtime(machine) {
    // Packages with native code are built for one ABI.
    const version = await machine.printed("node", ["--version"]);
    return version === null ? null : `node ${version.replace(/^v(\d+).*$/s, "$1")}`;
  },

  commands: ({ setup }) => [setup === null ? ["npm", "ci", "--no-audit", "--no-fund"] : ["sh", "-c", setup]],

  buildVariables: () => ({ npm_config_update_notifier: "false" }),

  variables: (plan) => ({ variables: {}, path_prefix: [join(plan.source, "node_modules", ".bin")] }),

  async links(plan, machine) {
    // Workspaces may have a node_modules of their own.
    const places = new Set(["node_modules"]);
    for (const path of Object.keys(parseLock(plan.lock_text))) {
      const end = path.indexOf("node_modules/");
      if (end > 0) places.add(`${path.slice(0, end)}node_modules`);
    }
    const found = new Set(await machine.existing([...places].map((place) => join(plan.source, place))));
    const links = [...places].map(
      (place) => [posix.join(plan.lock_directory, place), join(plan.source, place)] as const,
    );
    return Object.fromEntries(links.filter(([, target]) => found.has(target)));
  },

  async describe(plan, machine) {
    const packages = Object.entries(parseLock(await installedLock(plan, machine)))
      .filter(([path, entry]) => path !== "" && entry.version !== undefined)
      .map(([path, entry]): [string, string] => [path.replace(/^node_modules\//, ""), entry.version ?? ""]);
    const [node, npmVersion] = await Promise.all([
      machine.printed("node", ["--version"]),
      machine.printed("npm", ["--version"]),
    ]);
    return { packages: Object.fromEntries(packages), runtime: present({ node, npm: npmVersion }) };
  },
};

function parseLock(text: string): NonNullable<z.infer<typeof lockFile>["packages"]> {
  return lockFile.parse(JSON.parse(text)).packages ?? {};
}

/** What npm wrote about what it installed; nothing is there when there was nothing to install. */
async function installedLock(plan: BuildPlan, machine: Machine): Promise<string> {
  return (await machine.readText(join(plan.source, "node_modules", ".package-lock.json"))) ?? "{}";
}
