import { describe, expect, test } from "vitest";
import { conda } from "./conda.ts";
import type { BuildPlan } from "./manager.ts";
import { npm } from "./npm.ts";
import { pip } from "./pip.ts";
import { parsePipList, requirementPaths } from "./python.ts";
import { environmentManagers } from "./registry.ts";
import { uv, uvLockPaths } from "./uv.ts";

function plan(lock_name: string, lock_text = "", setup: string | null = null): BuildPlan {
  return { directory: "/envs/k", source: "/envs/k/source", lock_directory: ".", lock_name, lock_text, setup };
}

const noFiles = async () => null;

test("every manager is registered under its own name", () => {
  for (const [name, manager] of Object.entries(environmentManagers)) expect(manager.name).toBe(name);
});

describe("command lines", () => {
  test("npm", () => {
    expect(npm.commands(plan("package-lock.json"), "npm")).toEqual([["npm", "ci", "--no-audit", "--no-fund"]]);
  });

  test("pip", () => {
    const venv = ["python3", "-m", "venv", "/envs/k/venv"];
    const install = ["/envs/k/venv/bin/python", "-m", "pip", "install"];
    expect(pip.commands(plan("reqs.txt"), "python3")).toEqual([venv, [...install, "-r", "reqs.txt"]]);
    expect(pip.commands(plan("pyproject.toml"), "python3")).toEqual([venv, [...install, "."]]);
    expect(pip.commands(plan("reqs.txt", "", "make deps"), "python3")).toEqual([venv, ["sh", "-c", "make deps"]]);
  });

  test("uv", () => {
    expect(uv.commands(plan("uv.lock"), "uv")).toEqual([["uv", "sync", "--frozen", "--no-editable"]]);
    expect(uv.buildVariables(plan("uv.lock"))).toMatchObject({ UV_PROJECT_ENVIRONMENT: "/envs/k/venv" });
    expect(uv.commands(plan("requirements.txt"), "uv")).toEqual([
      ["uv", "venv", "/envs/k/venv"],
      ["uv", "pip", "sync", "--python", "/envs/k/venv/bin/python", "requirements.txt"],
    ]);
  });

  test("conda and its relatives", () => {
    const target = ["--prefix", "/envs/k/prefix", "--file"];
    const yaml = plan("environment.yml", "dependencies: [python=3.12]");
    expect(conda.commands(yaml, "conda")).toEqual([["conda", "env", "create", ...target, "environment.yml"]]);
    expect(conda.commands(yaml, "micromamba")).toEqual([["micromamba", "create", ...target, "environment.yml"]]);
    const explicit = plan("linux-64.lock", "# platform\n@EXPLICIT\nhttps://example.org/a.conda\n");
    expect(conda.commands(explicit, "conda")).toEqual([["conda", "create", ...target, "linux-64.lock"]]);
  });
});

describe("what a lock refers to", () => {
  test("local paths in requirements", () => {
    const text = [
      "numpy==2.0.0 --hash=sha256:abc \\",
      "    --hash=sha256:def",
      "./vendor/pkg-1.0-py3-none-any.whl  # local",
      "vendor/other-1.0.tar.gz ; python_version > '3.8'",
      "-e .[dev]",
      "-e git+https://example.org/x.git#egg=x",
      "named @ file:./libs/named",
      "remote @ https://example.org/r-1.0-py3-none-any.whl",
      "https://example.org/s-1.0-py3-none-any.whl",
      "-r more/dev.txt",
      "--constraint=limits.txt",
      "--find-links wheels",
      "-f https://example.org/wheels",
      "--index-url https://example.org/simple",
    ].join("\n");
    expect(requirementPaths(text)).toEqual({
      packages: ["./vendor/pkg-1.0-py3-none-any.whl", "vendor/other-1.0.tar.gz", ".", "./libs/named", "wheels"],
      requirements: ["more/dev.txt", "limits.txt"],
    });
  });

  test("included requirements are followed, in a circle too", async () => {
    const files: Record<string, string> = { "more/dev.txt": "-r deep.txt\n./a.whl\n", "more/deep.txt": "-r dev.txt\n" };
    const read = async (path: string) => files[path] ?? null;
    const { paths } = await pip.references({ name: "requirements.txt", text: "-r more/dev.txt", read });
    expect(new Set(paths)).toEqual(new Set(["more/dev.txt", "more/deep.txt", "./a.whl"]));
  });

  test("npm: workspaces, local tarballs and install scripts", async () => {
    const text = JSON.stringify({
      packages: {
        "": {},
        "node_modules/a": { resolved: "packages/a", link: true },
        "node_modules/b": { version: "1.0.0", resolved: "file:vendor/b.tgz" },
        "node_modules/c": { version: "1.0.0", resolved: "https://example.org/c.tgz" },
      },
    });
    const plain = JSON.stringify({ packages: { "node_modules/c": { version: "1.0.0" } } });
    const name = "package-lock.json";
    expect(await npm.references({ name, text, read: noFiles })).toEqual({
      paths: ["packages/a", "vendor/b.tgz"],
      companions: ["package.json", ".npmrc"],
      whole_directory: true,
    });
    expect(await npm.references({ name, text: plain, read: noFiles })).toMatchObject({ whole_directory: false });
    const read = async () => JSON.stringify({ scripts: { postinstall: "patch-package" } });
    expect(await npm.references({ name, text: plain, read })).toMatchObject({
      paths: ["package.json", "patches"],
      whole_directory: true,
    });
  });

  test("uv: local packages, and the project itself where it is built", async () => {
    const text = 'source = { virtual = "." }\nsource = { editable = "libs/a" }\nsource = { registry = "https://x" }\n';
    expect(uvLockPaths(text)).toEqual(["libs/a"]);
    const read = async () => '[project]\nname = "x"\n\n[build-system]\nrequires = ["hatchling"]\n';
    expect((await uv.references({ name: "uv.lock", text: "", read })).paths).toContain(".");
    expect((await uv.references({ name: "uv.lock", text: "", read: noFiles })).paths).not.toContain(".");
  });

  test("conda: the pip section", async () => {
    const text =
      "dependencies:\n  - python=3.12\n  - conda-forge::numpy\n  - pip:\n      - ./vendor/a.whl\n      - -r more.txt\n";
    expect((await conda.references({ name: "environment.yml", text, read: noFiles })).paths).toEqual([
      "./vendor/a.whl",
      "more.txt",
    ]);
  });
});

test("a setup is plain only when it does what the lock says and nothing else", () => {
  for (const setup of ["npm ci", "npm ci --ignore-scripts", "npm install --omit=dev"])
    expect(npm.isPlainSetup(setup)).toBe(true);
  for (const setup of ["npm ci && make", "npm run setup", "npm install ./local"])
    expect(npm.isPlainSetup(setup)).toBe(false);
});

test("the answer of pip list is read", () => {
  expect(parsePipList('[{"name": "a", "version": "1.0", "editable_project_location": "/x"}]')).toEqual({ a: "1.0" });
  expect(() => parsePipList("{}")).toThrow("expected array");
});
