import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
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

test("an input that is not what was planned is refused [staging.inputs-once]", async () => {
  const repository = scratchRepository(files);
  const request = await requestOf(repository);
  writeFiles(repository, { "data.txt": "changed\n" });
  await expect(startStager().stager.stage(request)).rejects.toMatchObject({ code: "not-possible" });
});
