import type { EnvironmentManager } from "./manager.ts";
import { present } from "./present.ts";

/** Nothing is built: runs use what the machine has, whose versions are recorded. */
export const none: EnvironmentManager = {
  name: "none",
  defaultLock: null,
  defaultSetup: null,
  tools: [],
  toolHint: "",
  references: async () => ({ paths: [], companions: [], whole_directory: false }),
  isPlainSetup: () => false,
  runtime: async () => null,
  commands: () => [],
  buildVariables: () => ({}),
  variables: () => ({ variables: {}, path_prefix: [] }),
  links: async () => ({}),

  async describe(_, machine) {
    const [node, python] = await Promise.all([
      machine.printed("node", ["--version"]),
      machine.printed("python3", ["--version"]),
    ]);
    return { packages: {}, runtime: present({ node, python: python?.replace(/^Python /, "") ?? null }) };
  },
};
