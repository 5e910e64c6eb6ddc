import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endWithTests } from "../support/left-behind.ts";
import { findOldNode } from "../support/old-node.ts";

const packageDirectory = resolve(import.meta.dirname, "../../packages/rigor");

/** A user's environment: the machine's Node, and nothing that npm or this workspace adds to it. */
const environment = Object.fromEntries(
  Object.entries(process.env)
    .filter(([name]) => !/^(npm_|RIGOR_|NODE_|VITEST|INIT_CWD$)/i.test(name))
    .map(([name, value]) => [name, name === "PATH" ? userPath(value ?? "") : value]),
);

let directory: string;
let lab: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rigor-packed-"));
  endWithTests(directory);
  lab = join(directory, "lab");
  mkdirSync(lab);
});

afterAll(() => {
  try {
    if (existsSync(join(lab, "node_modules/.bin/rigor"))) run("npx", ["rigor", "down"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

describe("the packed package [start.packed]", () => {
  test("holds the program, the helpers and the licence, and no tests", () => {
    run("npm", ["pack", "--pack-destination", directory], packageDirectory);
    const files = run("tar", ["-tzf", tarball()]).trim().split("\n");
    for (const name of [
      "bin/rigor.js",
      "dist/cli/main.js",
      "dist/helpers/rigor.js",
      "helpers/rigor.py",
      "LICENSE",
      "docs/experiment-file.md",
    ]) {
      expect(files).toContain(`package/${name}`);
    }
    expect(files.filter((file) => /\.(test|suite|testing)\.|^package\/(src|test)\//.test(file))).toEqual([]);
  });

  test("is installed in an empty folder and tells its version", () => {
    // As a user of npm 12 and later must: the script of `node` installs its program.
    writeFileSync(join(lab, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
    run("npm", ["install", tarball()]);
    const { version } = JSON.parse(readFileSync(join(packageDirectory, "package.json"), "utf8")) as { version: string };
    expect(run("npx", ["rigor", "--version"]).trim()).toBe(version);
  });

  test("initialises a repository and runs its first experiment", () => {
    run("git", ["init", "--quiet"]);
    run("npx", ["rigor", "init"]);
    expect(existsSync(join(lab, "rigor.yaml"))).toBe(true);
    const first = firstExperiment();
    expect(run("npx", ["rigor", "run", first])).toMatch(/decision/i);
    expect(run("npx", ["rigor", "run", first])).toMatch(/all \d+ runs are done already/);
  });
});

function run(program: string, options: string[], cwd = lab): string {
  return execFileSync(program, options, {
    cwd,
    // A lab of its own: what the machine's user has done before must not be found.
    env: { ...environment, RIGOR_HOME: join(directory, "home") },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function tarball(): string {
  const [found] = globSync("rigor-*.tgz", { cwd: directory });
  if (found === undefined) throw new Error("npm pack wrote no package.");
  return join(directory, found);
}

/** The experiment file that `rigor init` wrote. */
function firstExperiment(): string {
  const written = globSync("**/*.yaml", { cwd: lab, exclude: (path) => path === "node_modules" || path === ".rigor" });
  const found = written.find((path) => path !== "rigor.yaml");
  if (found === undefined) throw new Error("rigor init wrote no experiment.");
  return found;
}

/** The machine's older Node comes first where there is one; the pinned Node of this workspace is left out. */
function userPath(path: string): string {
  const folders = path.split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const oldNode = findOldNode();
  return [...(oldNode === undefined ? [] : [dirname(oldNode)]), ...folders].join(delimiter);
}
