// Which folder may import which. A folder may import only what stands below it; see ARCHITECTURE.md.
const source = "^packages/rigor/src";
const test = "[.](test|suite|testing)[.]ts$";

/** Folders from top to bottom: each lists the folders that it may import besides itself. */
const base = ["domain", "statistics", "hosts"];
const middle = ["store", "compute", "provenance", "agents"];
const upper = ["bench", "reports"];
const mayImport = {
  statistics: ["domain"],
  domain: ["statistics"],
  hosts: ["domain"],
  ...Object.fromEntries(middle.map((folder) => [folder, base])),
  // A workspace starts from a snapshot, and a change is judged by what git says of it.
  agents: [...base, "provenance"],
  ...Object.fromEntries(upper.map((folder) => [folder, [...middle, ...base]])),
  conductor: [...upper, ...middle, ...base],
  mcp: ["api", "conductor", ...upper, ...middle, ...base],
  api: ["conductor", ...upper, ...middle, ...base],
  daemon: ["api", "mcp", "conductor", ...upper, ...middle, ...base],
};

const layers = Object.entries(mayImport).map(([folder, allowed]) => ({
  name: `${folder}-stands-above`,
  severity: "error",
  comment: `${folder} may import only ${[folder, ...allowed].join(", ")}`,
  from: { path: `${source}/${folder}/`, pathNot: test },
  to: { path: `${source}/`, pathNot: `${source}/(${[folder, ...allowed].join("|")})/` },
}));

/** Parts of a folder from bottom to top: each may import those before it. */
const parts = {
  bench: ["lab", "records", "needs", "computes", "attempts", "experiments", "dispatch"],
  // The interface of executors stands alone: schedulers and hosts answer in its terms.
  compute: ["attempt", "failures", "placement", "(executor|collect)[.]ts", "remote", "schedulers", "executors"],
  cli: [
    "(templates|version)[.]ts",
    "output",
    "daemon",
    "(context|invocation|specification)[.]ts",
    "views",
    "steps",
    "init",
    "commands",
  ],
};
const partLayers = Object.entries(parts).flatMap(([folder, ordered]) =>
  ordered.map((part, index) => {
    const allowed = ordered.slice(0, index + 1).join("|");
    return {
      name: `${folder}-${part}-stands-above`,
      severity: "error",
      comment: `of ${folder}, ${part} may import only ${allowed}`,
      from: { path: `${source}/${folder}/${part}(/|$)`, pathNot: test },
      to: { path: `${source}/${folder}/`, pathNot: `${source}/${folder}/(${allowed})(/|$)` },
    };
  }),
);

export default {
  forbidden: [
    ...layers,
    ...partLayers,
    {
      name: "cli-is-a-client",
      severity: "error",
      comment: "cli may import only api/contract, its own files, and the domain's errors, units and formatting",
      from: { path: `${source}/cli/`, pathNot: test },
      to: {
        path: `${source}/`,
        pathNot: `${source}/(cli/|api/contract([.]ts$|/)|domain/(files/)?(errors|format[^/]*|units)([.]ts$|/))`,
      },
    },
    {
      name: "contract-is-for-clients",
      severity: "error",
      comment: "api/contract is loaded by clients, so it may import only the domain and itself",
      from: { path: `${source}/api/contract([.]ts$|/)`, pathNot: test },
      to: { path: `${source}/`, pathNot: `${source}/(api/contract([.]ts$|/)|domain/)` },
    },
    {
      name: "rules-are-pure",
      severity: "error",
      comment: "domain and statistics do no I/O: of Node's modules, only node:crypto in domain",
      from: { path: `${source}/(domain|statistics)/`, pathNot: test },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?crypto$" },
    },
    {
      name: "statistics-needs-no-core",
      severity: "error",
      comment: "statistics uses no module of Node's",
      from: { path: `${source}/statistics/`, pathNot: test },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "rules-use-pure-packages",
      severity: "error",
      comment: "domain and statistics may use only packages that do no I/O: zod, yaml, diff, @stdlib",
      from: { path: `${source}/(domain|statistics)/`, pathNot: test },
      to: { dependencyTypes: ["npm", "npm-dev", "npm-no-pkg"], pathNot: "node_modules/(zod|yaml|diff|@stdlib)/" },
    },
    {
      name: "helpers-stand-alone",
      severity: "error",
      comment: "a helper is one file that people copy: it may import only Node's modules",
      from: { path: "^packages/rigor/helpers/", pathNot: test },
      to: { dependencyTypesNot: ["core"] },
    },
    {
      name: "product-needs-no-tests",
      severity: "error",
      comment: "what is published may not import tests, their support, or development dependencies",
      from: { path: `${source}/`, pathNot: test },
      to: { path: `^(test|scripts|benchmarks|examples)/|${test}` },
    },
    {
      name: "product-needs-no-tools",
      severity: "error",
      comment: "what is published may import only the package's own dependencies",
      from: { path: `${source}/`, pathNot: test },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-circles",
      severity: "error",
      comment: "modules must not import each other",
      from: {},
      to: { circular: true },
    },
    {
      name: "resolvable",
      severity: "error",
      comment: "the import does not resolve",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/dist/" },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
