import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Environment } from "../domain/experiment.ts";
import { checkout } from "./checkout.ts";
import { environmentIdentity } from "./environment-identity.ts";
import { ensureEnvironment, removeEnvironment, type BuiltEnvironment } from "./environment.ts";
import { commitAll, runGit, scratchDirectory, scratchRepository, writeFiles } from "./scratch-repository.testing.ts";
import { wheelProject, writeWheel } from "./wheel.testing.ts";

// Real builds, of which pip's takes 17 s on a busy machine of two cores.
vi.setConfig({ testTimeout: 120_000 });

afterEach(() => {
  vi.unstubAllEnvs();
});

function environment(manager: Environment["manager"], more: Partial<Environment> = {}): Environment {
  return { manager, lock: null, setup: null, variables: {}, pass: [], ...more };
}

/** A package of the public registry, small and without dependencies. */
const isNumber = {
  version: "7.0.0",
  integrity: "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==",
};

function npmProject(directory = ""): Record<string, string> {
  const dependencies = { "is-number": "7.0.0" };
  const packages = { "": { name: "project", version: "1.0.0", dependencies }, "node_modules/is-number": isNumber };
  const own = { name: "project", version: "1.0.0", dependencies };
  return {
    [`${directory}package.json`]: JSON.stringify(own),
    [`${directory}package-lock.json`]: JSON.stringify({
      name: "project",
      version: "1.0.0",
      lockfileVersion: 3,
      packages,
    }),
    [`${directory}run.mjs`]: 'import isNumber from "is-number"; console.log(isNumber("5"));\n',
  };
}

async function runIn(repository: string, built: BuiltEnvironment, program: string, ...args: string[]): Promise<string> {
  const directory = join(scratchDirectory(), "checkout");
  await checkout({ repository, commit: "HEAD", directory, links: built.links });
  const env = { ...built.variables, PATH: [...built.path_prefix, process.env["PATH"]].join(":") };
  return execFileSync(program, args, { cwd: directory, env, encoding: "utf8" }).trim();
}

describe("identity", () => {
  const pip = environment("pip", { lock: "py/requirements.txt" });
  const keyOf = async (repository: string, wanted = pip) => (await environmentIdentity(repository, "HEAD", wanted)).key;

  test("the key follows from the committed lock, not from the file on disk [provenance.environment] [identity.run-key]", async () => {
    const repository = wheelProject();
    const before = await environmentIdentity(repository, "HEAD", pip);
    expect(before).toMatchObject({ manager: "pip", lock: "py/requirements.txt", setup: null });
    expect(Object.keys(before.local)).toEqual(["py/vendor/tinypkg-1.0-py3-none-any.whl"]);
    expect(before.lock_hash).toMatch(/^[0-9a-f]{64}$/);
    writeFiles(repository, { "py/requirements.txt": "changed\n", "py/run.py": "pass\n" });
    expect(await environmentIdentity(repository, "HEAD", pip)).toEqual(before);
    runGit(repository, "checkout", "--quiet", "py/requirements.txt");
    commitAll(repository);
    expect(await environmentIdentity(repository, "HEAD", pip), "code is no part of it").toEqual(before);
  });

  test("lock, local wheel, setup, what a setup names, and variables each give another key [provenance.environment]", async () => {
    const repository = wheelProject();
    const setup = environment("pip", { lock: "py/requirements.txt", setup: "sh ./setup.sh" });
    writeFiles(repository, { "py/setup.sh": "pip install -r requirements.txt\n" });
    commitAll(repository);
    const keys = [
      await keyOf(repository),
      await keyOf(repository, setup),
      await keyOf(repository, { ...pip, variables: { CUDA_HOME: "/opt/cuda" } }),
    ];
    writeFiles(repository, { "py/setup.sh": "pip install --no-deps -r requirements.txt\n" });
    commitAll(repository);
    keys.push(await keyOf(repository, setup));
    writeWheel(join(repository, "py/vendor/tinypkg-1.0-py3-none-any.whl"), "answer = 43\n");
    commitAll(repository);
    keys.push(await keyOf(repository));
    writeFiles(repository, { "py/requirements.txt": "./vendor/tinypkg-1.0-py3-none-any.whl\n# more\n" });
    commitAll(repository);
    keys.push(await keyOf(repository));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("a lock that is not committed or not readable is named with what to do [F21]", async () => {
    const repository = scratchRepository({ "package-lock.json": "not JSON" });
    await expect(keyOf(repository)).rejects.toMatchObject({
      code: "environment",
      message: expect.stringContaining("py/requirements.txt is not in commit"),
      next: expect.stringContaining("Add the file"),
    });
    await expect(keyOf(repository, environment("npm"))).rejects.toThrow("cannot be understood");
    await expect(keyOf(repository, environment("none", { setup: "make" }))).rejects.toThrow("builds nothing");
  });
});

describe("npm", () => {
  test("an environment is built from its lock, once, and used by runs [environment.npm] [provenance.environment]", async () => {
    const repository = scratchRepository(npmProject("examples/x/"));
    const root = join(scratchDirectory(), "envs");
    const lines: string[] = [];
    const wanted = environment("npm", { lock: "examples/x/package-lock.json", setup: "npm ci" });
    const request = { repository, commit: "HEAD", environment: wanted, root, log: (line: string) => lines.push(line) };
    const [built, same] = await Promise.all([ensureEnvironment(request), ensureEnvironment(request)]);
    expect(same).toBe(built);
    expect(built.record).toMatchObject({ manager: "npm", packages: { "is-number": "7.0.0" } });
    expect(built.record.runtime["node"]).toMatch(/^v\d+/);
    expect(Object.keys(built.links)).toEqual(["examples/x/node_modules"]);
    expect(lines.join("\n")).toContain("added 1 package");
    expect(readFileSync(built.log_file ?? "", "utf8")).toContain("added 1 package");
    expect(await runIn(repository, built, "node", "examples/x/run.mjs")).toBe("true");

    lines.length = 0;
    writeFiles(repository, { "examples/x/run.mjs": "// another commit, equal lock\n" });
    commitAll(repository);
    const again = await ensureEnvironment(request);
    expect(again).toEqual(built);
    expect(lines).toEqual([]);
  });

  test("workspaces come from the commit, and their code is part of the key [environment.npm]", async () => {
    const packages = {
      "": { name: "root", version: "1.0.0", workspaces: ["packages/*"] },
      "node_modules/inner": { resolved: "packages/inner", link: true },
      "packages/inner": { version: "1.0.0" },
    };
    const repository = scratchRepository({
      "package.json": JSON.stringify({ name: "root", version: "1.0.0", workspaces: ["packages/*"] }),
      "package-lock.json": JSON.stringify({ name: "root", version: "1.0.0", lockfileVersion: 3, packages }),
      "packages/inner/package.json": JSON.stringify({
        name: "inner",
        version: "1.0.0",
        type: "module",
        exports: "./index.js",
      }),
      "packages/inner/index.js": 'export default "one";\n',
      "run.mjs": 'import value from "inner"; console.log(value);\n',
    });
    const request = { repository, commit: "HEAD", environment: environment("npm"), root: scratchDirectory() };
    const one = await ensureEnvironment(request);
    expect(await runIn(repository, one, "node", "run.mjs")).toBe("one");
    writeFiles(repository, { "packages/inner/index.js": 'export default "two";\n' });
    commitAll(repository);
    const two = await ensureEnvironment(request);
    expect(two.key).not.toBe(one.key);
    expect(await runIn(repository, two, "node", "run.mjs")).toBe("two");
  });

  test("a lock that does not fit its package.json is an error with the last lines, the log and the remedy [F21]", async () => {
    const project = npmProject();
    const repository = scratchRepository({
      ...project,
      "package.json": JSON.stringify({ name: "project", version: "1.0.0", dependencies: { "is-number": "6.0.0" } }),
    });
    const root = scratchDirectory();
    const failed = ensureEnvironment({ repository, commit: "HEAD", environment: environment("npm"), root });
    await expect(failed).rejects.toMatchObject({
      code: "environment",
      message: expect.stringMatching(/npm ci .*: exit status 1\n[^]*is-number[^]*The whole log: .*npm-.*\.log/),
      next: expect.stringContaining("commit package-lock.json"),
    });
    expect(readdirSync(root).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
});

describe("an index that cannot be reached", () => {
  const silent = "http://127.0.0.1:9";

  test("is told of npm [environment.network]", async () => {
    const resolved = `${silent}/gone-1.0.0.tgz`;
    const packages = { "": { dependencies: { gone: "1.0.0" } }, "node_modules/gone": { version: "1.0.0", resolved } };
    const repository = scratchRepository({
      "package.json": JSON.stringify({ dependencies: { gone: "1.0.0" } }),
      "package-lock.json": JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
    });
    const wanted = environment("npm", { variables: { npm_config_fetch_retries: "0" } });
    const failed = ensureEnvironment({ repository, commit: "HEAD", environment: wanted, root: scratchDirectory() });
    await expect(failed).rejects.toMatchObject({
      code: "network",
      message: expect.stringMatching(/exit status 1\nnpm (?:ERR!|error) code ECONNREFUSED\n/),
      next: expect.stringContaining("check the network"),
    });
  });

  test("is told from a package that does not exist, although pip says the same of both [environment.network]", async () => {
    const repository = scratchRepository({ "requirements.txt": "rigor-is-not-there==1.0\n" });
    const build = (variables: Record<string, string>) => {
      const wanted = environment("pip", { variables });
      return ensureEnvironment({ repository, commit: "HEAD", environment: wanted, root: scratchDirectory() });
    };
    const message = expect.stringContaining("No matching distribution found for rigor-is-not-there==1.0");
    const away = build({ PIP_INDEX_URL: silent, PIP_RETRIES: "1" });
    await expect(away).rejects.toMatchObject({ code: "network", message });
    await expect(build({ PIP_NO_INDEX: "1" })).rejects.toMatchObject({ code: "environment", message });
  });
});

describe("pip", () => {
  test("a virtual environment is built from requirements with a local wheel, and used by runs [environment.venv] [provenance.environment]", async () => {
    vi.stubEnv("PIP_NO_INDEX", "1");
    const repository = wheelProject();
    const root = scratchDirectory();
    const wanted = environment("pip", { lock: "py/requirements.txt", variables: { MODE: "test" } });
    const built = await ensureEnvironment({ repository, commit: "HEAD", environment: wanted, root });
    expect(built.record).toMatchObject({ manager: "pip", packages: { tinypkg: "1.0" } });
    expect(built.record.runtime["python"]).toMatch(/^3\./);
    expect(built.variables).toMatchObject({ MODE: "test", VIRTUAL_ENV: join(built.directory ?? "", "venv") });
    expect(await runIn(repository, built, "python", "py/run.py")).toBe(`42 ${built.directory}/venv`);

    // A build that died on the way left no mark of completion.
    rmSync(join(built.directory ?? "", "complete.json"));
    writeFileSync(join(built.directory ?? "", "half-made"), "");
    const repaired = await ensureEnvironment({ repository, commit: "HEAD", environment: wanted, root });
    expect(repaired.key).toBe(built.key);
    expect(existsSync(join(built.directory ?? "", "half-made"))).toBe(false);
    await removeEnvironment(built.directory ?? "");
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("setup", () => {
  const request = (repository: string, setup: string, more: Partial<Environment> = {}) => ({
    repository,
    commit: "HEAD",
    environment: environment("npm", { setup, ...more }),
    root: scratchDirectory(),
  });

  test("it runs in the lock's committed directory with few variables, and shows no secret [F21]", async () => {
    vi.stubEnv("INDEX_TOKEN", "very-secret-token");
    vi.stubEnv("UNRELATED_SECRET", "other-secret");
    const repository = scratchRepository({
      ...npmProject(),
      "tools/show.sh": "env; cat extra.txt\n",
      "extra.txt": "committed",
    });
    writeFiles(repository, { "extra.txt": "on disk only" });
    const setup = "sh tools/show.sh; echo https://user:password@example.org/simple";
    const built = await ensureEnvironment(request(repository, setup, { pass: ["INDEX_TOKEN"], variables: { A: "b" } }));
    const log = readFileSync(built.log_file ?? "", "utf8");
    expect(log).toContain("INDEX_TOKEN=***");
    expect(log).toContain("A=b");
    expect(log).toContain("committed");
    expect(log).toContain("https://***@example.org/simple");
    for (const hidden of ["very-secret-token", "UNRELATED_SECRET", "other-secret", "password", "on disk only"]) {
      expect(log).not.toContain(hidden);
    }
  });

  test("a full disk is named as the cause [F21]", async () => {
    const repository = scratchRepository(npmProject());
    const setup = "echo 'cp: error writing: No space left on device' >&2; exit 3";
    await expect(ensureEnvironment(request(repository, setup))).rejects.toMatchObject({
      message: expect.stringContaining("exit status 3"),
      next: expect.stringContaining("free space"),
    });
  });

  test("a stopped build ends with all it started", async () => {
    const repository = scratchRepository(npmProject());
    const controller = new AbortController();
    const log = (line: string) => {
      if (line === "started") controller.abort();
    };
    const asked = { ...request(repository, "echo started; sleep 1000 & wait"), log, signal: controller.signal };
    await expect(ensureEnvironment(asked)).rejects.toThrow("killed by SIGTERM");
  });

  test("processes at the same time build once", async () => {
    const repository = scratchRepository(npmProject());
    const marks = scratchDirectory();
    const asked = request(repository, `mktemp ${marks}/built.XXXXXX && sleep 0.3`);
    const script = `import { ensureEnvironment } from ${JSON.stringify(join(import.meta.dirname, "environment.ts"))};
      await ensureEnvironment(${JSON.stringify(asked)});`;
    const { promisify } = await import("node:util");
    const { execFile } = await import("node:child_process");
    const start = () => promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
    await Promise.all([start(), start(), start()]);
    expect(readdirSync(marks)).toHaveLength(1);
  });
});

test("a manager that is not installed is named with what to install [F21]", async () => {
  const bin = join(scratchDirectory(), "bin");
  mkdirSync(bin);
  for (const tool of ["git", "sh", "python3", "chmod"]) {
    const path = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
    execFileSync("ln", ["-s", path, join(bin, tool)]);
  }
  const repository = scratchRepository({ "uv.lock": "", "environment.yml": "" });
  const request = { repository, commit: "HEAD", root: scratchDirectory() };
  vi.stubEnv("PATH", bin);
  await expect(ensureEnvironment({ ...request, environment: environment("uv") })).rejects.toMatchObject({
    code: "environment",
    message: expect.stringContaining("needs uv, which is not installed"),
    next: expect.stringContaining("Install uv"),
  });
  await expect(ensureEnvironment({ ...request, environment: environment("conda") })).rejects.toThrow(
    "needs micromamba or mamba or conda",
  );
  vi.unstubAllEnvs();
});

test("without a manager nothing is built and the machine's versions are recorded [provenance.environment]", async () => {
  const repository = scratchRepository();
  const root = scratchDirectory();
  const built = await ensureEnvironment({ repository, commit: "HEAD", environment: environment("none"), root });
  expect(built.record.runtime["node"]).toMatch(/^v\d+/);
  expect(built).toMatchObject({ directory: null, links: {}, path_prefix: [], variables: {} });
  expect(readdirSync(root)).toEqual([]);
});
