import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { parseExperiment } from "../../domain/files/parse-experiment.ts";
import { parseSettings } from "../../domain/files/settings.ts";

const bin = fileURLToPath(new URL("../../../bin/rigor.js", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "rigor-init-"));
let directory = "";
let count = 0;

beforeEach(() => {
  directory = join(scratch, `repository ${(count += 1)}`);
  mkdirSync(directory);
  execFileSync("git", ["init", "-q", directory]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

interface Answer {
  written: string[];
  kept: string[];
  language: string;
  environment: { manager: string; lock: string | null };
}

function init(...words: string[]): Answer {
  const output = execFileSync(process.execPath, [bin, "init", ...words, "--json"], {
    cwd: directory,
    encoding: "utf8",
  });
  return JSON.parse(output) as Answer;
}

const read = (path: string) => readFileSync(join(directory, path), "utf8");

function experiment() {
  const file = "experiments/first/experiment.yaml";
  return parseExperiment(read(file), { file });
}

/** The first experiment's program, as a run would start it. */
function reported(program: string[], variables: Record<string, string>): unknown {
  const output = join(directory, "output");
  const [name = "", ...words] = program;
  execFileSync(name, words, { cwd: directory, env: { ...process.env, RIGOR_OUTPUT: output, ...variables } });
  return JSON.parse(read("output/result.json"));
}

describe("rigor init [init.any-repository]", () => {
  test("keeps what package managers installed out of the snapshots", () => {
    for (const name of ["node_modules", ".venv"]) {
      mkdirSync(join(directory, name));
      write({ [`${name}/file`]: "" });
    }
    expect(init().written).toContain(".gitignore");
    expect(read(".gitignore")).toBe("node_modules/\n.venv/\n");
  });

  test("leaves a .gitignore as it is, and says what it lacks", () => {
    mkdirSync(join(directory, "node_modules"));
    write({ ".gitignore": "*.log\n", "node_modules/file": "" });
    const said = execFileSync(process.execPath, [bin, "init"], { cwd: directory, encoding: "utf8" });
    expect(said).toContain("Add node_modules/ to .gitignore first");
    expect(read(".gitignore")).toBe("*.log\n");
  });

  test("writes settings and an experiment that their schemas take, and nothing else", () => {
    const { written } = init();
    expect(parseSettings(read("rigor.yaml"), { file: "rigor.yaml" }).compute).toHaveProperty("local");
    expect(experiment()).toMatchObject({ name: `first-repository-${count}`, seeds: [0, 1, 2, 3, 4] });
    const status = execFileSync("git", ["status", "--porcelain", "-uall"], { cwd: directory, encoding: "utf8" });
    expect(
      status
        .trim()
        .split("\n")
        .map((line) => line.slice(3))
        .sort(),
    ).toEqual(written.sort());
  });

  test("prefers Python, and its program reports a result that depends on the seed", () => {
    write({ "train.py": "", "package.json": "{}" });
    execFileSync("git", ["add", "."], { cwd: directory });
    expect(init()).toMatchObject({ language: "python", environment: { manager: "none" } });
    const program = String(experiment().run).split(" ");
    const first = reported(program, { RIGOR_SEED: "1" });
    expect(first).toMatchObject({ metrics: { error: expect.closeTo(0.2, 1) as unknown } });
    expect(reported(program, { RIGOR_SEED: "2" })).not.toEqual(first);
    expect(reported(program, { RIGOR_SEED: "1" })).toEqual(first);
  });

  test("uses the environment that a repository has a lock for", () => {
    write({ "requirements.txt": "", "package-lock.json": "{}" });
    expect(init()).toMatchObject({ language: "python", environment: { manager: "pip", lock: "requirements.txt" } });
    expect(experiment().environment).toMatchObject({ manager: "pip", lock: "requirements.txt" });
  });

  test("writes TypeScript in a package of Node's", () => {
    write({ "package.json": "{}", "package-lock.json": '{"lockfileVersion":3,"packages":{}}' });
    expect(init()).toMatchObject({ language: "node", environment: { manager: "npm", lock: "package-lock.json" } });
    expect(experiment().run).toBe("node experiments/first/run.mts");
    const result = reported([process.execPath, "experiments/first/run.mts"], { RIGOR_SEED: "1" });
    expect(result).toMatchObject({ metrics: { error: expect.closeTo(0.2, 1) as unknown } });
  });

  test("writes JavaScript where `node` is too old for TypeScript, also below a directory with a space", () => {
    write({ "package.json": "{}" });
    mkdirSync(join(directory, "my project"));
    const tools = join(directory, ".git", "tools");
    mkdirSync(tools);
    writeFileSync(join(tools, "node"), "#!/bin/sh\necho v20.20.2\n", { mode: 0o755 });
    const { status, stderr } = spawnSync(process.execPath, [bin, "init", "my project"], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, PATH: `${tools}:${process.env["PATH"] ?? ""}` },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const file = "my project/experiments/first/experiment.yaml";
    const { run } = parseExperiment(read(file), { file });
    expect(run).toEqual(["node", "my project/experiments/first/run.mjs"]);
    const helper = read("my project/experiments/first/rigor.mjs");
    expect(helper).not.toMatch(/\n{3,}|[^\s*] {2,}|\.ts\b|interface|TypeScript/);
    const result = reported([process.execPath, "my project/experiments/first/run.mjs"], { RIGOR_SEED: "1" });
    expect(result).toMatchObject({ metrics: { error: expect.closeTo(0.2, 1) as unknown } });
  });

  test("never changes a file that exists", () => {
    write({ "rigor.yaml": "# mine\n" });
    mkdirSync(join(directory, "experiments", "first"), { recursive: true });
    expect(init()).toMatchObject({ written: [], kept: ["rigor.yaml", "experiments/first"] });
    expect(read("rigor.yaml")).toBe("# mine\n");
    expect(existsSync(join(directory, "experiments/first/experiment.yaml"))).toBe(false);
  });

  test("in a repository without working files says so [cli.no-stack]", () => {
    const bare = mkdtempSync(join(scratch, "bare-"));
    execFileSync("git", ["init", "-q", "--bare", bare]);
    const { status, stderr } = spawnSync(process.execPath, [bin, "init"], { cwd: bare, encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .* is a git repository without working files\.\n {2}.* worktree .*\n$/);
  });

  test("outside a repository says what to do [cli.no-stack]", () => {
    const outside = mkdtempSync(join(scratch, "outside-"));
    const { status, stderr, stdout } = spawnSync(process.execPath, [bin, "init"], { cwd: outside, encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: .* is not in a git repository\.\n {2}.*`git init`.*\n$/);
  });
});
