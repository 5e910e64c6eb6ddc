import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { hashInputs } from "../inputs.ts";
import { runGit, scratchDirectory, scratchRepository, writeFiles } from "../scratch-repository.testing.ts";
import { LocalStager } from "./local-stager.ts";
import type { StageRequest } from "./stager.ts";

function startStager(): { stager: LocalStager; root: string } {
  const root = scratchDirectory();
  const at = (name: string) => join(root, name);
  const paths = { checkouts: at("checkouts"), environments: at("environments"), inputs: at("inputs") };
  return { stager: new LocalStager({ root, ...paths, inputHashes: at("hashes.json") }), root };
}

async function requestOf(repository: string): Promise<StageRequest & { said: string[] }> {
  const said: string[] = [];
  return {
    repository,
    commit: runGit(repository, "rev-parse", "HEAD"),
    environment: { manager: "npm", lock: null, setup: "mkdir node_modules", variables: {}, pass: [] },
    inputs: await hashInputs(repository, { data: { path: "data.txt" } }),
    say: (what) => said.push(what),
    said,
  };
}

const files = { "package-lock.json": "{}", "run.sh": "echo\n", "data.txt": "content\n", ".gitignore": "data.txt\n" };

test("code, environment and inputs are made ready on this machine, each once [staging.by-commit]", async () => {
  const repository = scratchRepository(files);
  const { stager, root } = startStager();
  const request = await requestOf(repository);
  const { directory, environment, inputs } = await stager.stage(request);
  expect(readFileSync(join(directory, "run.sh"), "utf8")).toBe("echo\n");
  expect(Object.keys(environment.links)).toEqual(["node_modules"]);
  expect(readFileSync(inputs["data"] ?? "", "utf8")).toBe("content\n");
  expect(request.said).toEqual(["building the npm environment", "checking out the code", "copying the inputs"]);
  const again = await stager.stage(request);
  expect(again).toEqual({ directory, environment, inputs });
  expect(request.said.filter((what) => what.startsWith("building"))).toHaveLength(1);
  expect(directory.startsWith(root)).toBe(true);
});

test("what is foreseen is asked while other work goes on, and anew for each experiment [size.waiting]", async () => {
  const repository = scratchRepository(files);
  const { stager, root } = startStager();
  const environment = { manager: "none" as const, lock: null, setup: null, variables: {}, pass: [] };
  const programs = join(root, "programs");
  const search_path = `${programs}:${process.env["PATH"]}`;
  const request = { ...(await requestOf(repository)), environment, search_path };
  const install = (version: string): void => {
    const python = `#!/bin/sh\necho asked >>${root}/asked\necho Python ${version}\n`;
    writeFiles(programs, { python3: python });
    chmodSync(join(programs, "python3"), 0o755);
  };
  const asked = () => readFileSync(join(root, "asked"), "utf8").split("\n").length - 1;
  install("3.1.0");
  stager.foresee(environment, search_path);
  await vi.waitFor(() => expect(asked()).toBe(1), 60_000);
  const versionOf = async () => (await stager.stage(request)).environment.record.runtime["python"];
  expect(await versionOf()).toBe("3.1.0");
  expect(asked()).toBe(1);
  install("3.2.0");
  expect(await versionOf()).toBe("3.2.0");
});

test("of a machine as it is, what its runs find on their PATH is recorded [provenance.manifest]", async () => {
  const repository = scratchRepository(files);
  const { stager, root } = startStager();
  const environment = { manager: "none" as const, lock: null, setup: null, variables: {}, pass: [] };
  const request = { ...(await requestOf(repository)), environment };
  const pathWith = (version: string): string => {
    const programs = join(root, `programs-${version}`);
    writeFiles(programs, { python3: `#!/bin/sh\necho Python ${version}\n` });
    chmodSync(join(programs, "python3"), 0o755);
    return `${programs}:${process.env["PATH"]}`;
  };
  const [first, second] = [pathWith("3.1.0"), pathWith("3.2.0")];
  stager.foresee(environment, first);
  const { environment: prepared } = await stager.stage({ ...request, search_path: second });
  expect(prepared.record.runtime["python"], "another experiment was foreseen").toBe("3.2.0");
});

test("an input that is not what was planned is refused [staging.inputs-once]", async () => {
  const repository = scratchRepository(files);
  const request = await requestOf(repository);
  writeFiles(repository, { "data.txt": "changed\n" });
  await expect(startStager().stager.stage(request)).rejects.toMatchObject({ code: "not-possible" });
});

test("what nobody uses any more is removed from this machine, and made again [staging.clean-up]", async () => {
  const { stager, root } = startStager();
  const request = await requestOf(scratchRepository(files));
  const staged = await stager.stage(request);
  const kept = [staged.directory, staged.environment.directory ?? "", staged.inputs["data"] ?? ""];
  const old = { in_use: [], inputs_in_use: [], unused_for: 86_400, wanted_free: null };
  expect(await stager.cleanUp(old)).toEqual([]);
  for (const mark of readdirSync(join(root, "used"))) writeFileSync(join(root, "used", mark), "1000000000\n");
  expect(await stager.cleanUp({ ...old, in_use: kept })).toEqual([]);
  for (const mark of readdirSync(join(root, "used"))) writeFileSync(join(root, "used", mark), "1000000000\n");
  expect(await stager.cleanUp(old)).toHaveLength(3);
  for (const folder of ["checkouts", "environments", "inputs", "used"])
    expect(readdirSync(join(root, folder))).toEqual([]);
  expect((await stager.stage(request)).directory).toBe(staged.directory);
  expect(readFileSync(join(staged.directory, "run.sh"), "utf8")).toBe("echo\n");
});
