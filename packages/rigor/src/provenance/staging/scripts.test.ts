import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import type { Answer, HostShell } from "../../hosts/shell.ts";
import { buildScript, variablesScript } from "./build-script.ts";
import { lookScript as lookAtBuild, readSight } from "./build-sight.ts";
import { lookScript as lookForUnused, removeScript } from "./clean-up.ts";
import { checkoutScript, lookScript as lookForCode, receiveScript, unpackScript } from "./code-scripts.ts";
import { startScript } from "./remote-builds.ts";
import { WorkDirectory } from "./work-directory.ts";

const odd = "/srv/it's $HOME/`x`";

const place = {
  repository: { name: "project-0123", path: `${odd}/repositories/project-0123.git` },
  commit: "0".repeat(64),
  checkout: { name: "0123", path: `${odd}/checkouts/0123` },
};
const links = { "a b/node_modules": `${odd}/environments/npm-1` };
const build = {
  number: 3,
  directory: `${odd}/environments/npm-1`,
  source: `${odd}/environments/npm-1/source`,
  commands: [["npm", "ci", "--it's"] as const],
  variables: { SECRET: "it's\n$HOME" },
  path_prefix: [`${odd}/bin`],
};

/** The whole text that a host gets to run for a step. */
async function sent(script: string): Promise<string> {
  let text = "";
  const shell: HostShell = {
    host: "host",
    run: async (whole): Promise<Answer> => {
      text = whole;
      return { status: 0, stdout: Buffer.alloc(0), stderr: "" };
    },
    close: async () => undefined,
  };
  await new WorkDirectory(shell, odd).run({ what: "a test", script });
  return text;
}

test.each([
  ["looking for code", lookForCode(place)],
  ["receiving a pack", receiveScript(place, true)],
  ["checking out", checkoutScript(place, links)],
  ["unpacking", unpackScript(place, links)],
  ["looking at a build", lookAtBuild(build.directory, { number: 1, lines: 5 })],
  ["starting a build", startScript(build.directory)],
  ["looking for what is unused", lookForUnused],
  ["removing", removeScript([{ kind: "inputs", name: "0123", unused_for: 5 }])],
])("the script for %s is POSIX shell", async (_, script) => {
  expect(check(await sent(script))).toBe("");
});

test("the script of a build and its variables are POSIX shell", () => {
  expect(check(buildScript(build))).toBe("");
  expect(check(variablesScript(build))).toBe("");
});

function check(script: string): string {
  // Functions that a script does not use, single quotes that are meant, and paths with quotes in them.
  const excluded = "--exclude=SC2016,SC2034,SC2089,SC2090,SC2317,SC2329";
  return spawnSync("shellcheck", ["--shell=sh", excluded, "-"], { input: script, encoding: "utf8" }).stdout;
}

test("an answer about a build that is none is refused [F11]", () => {
  expect(readSight("nothing 0\n", "host")).toEqual({ state: "nothing", number: 0 });
  expect(readSight("building 2 alive 17\none\ntwo\nthr", "host")).toEqual({
    state: "building",
    number: 2,
    witness: "alive",
    beat: "17",
    lines: ["one", "two"],
  });
  for (const answer of ["", "nothing\n", "building 1 perhaps 5\n", "ended 1\n"]) {
    expect(() => readSight(answer, "host")).toThrow("does not say how far an environment is");
  }
});
