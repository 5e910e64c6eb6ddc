import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { readTemplate } from "../templates.ts";
import { completionFor, type FindNames } from "./candidates.ts";

const find: FindNames = async (names) =>
  names === "run"
    ? [{ word: "3f9c2a71d0", description: "ours, news, seed 3: failed" }]
    : [{ word: "smoothing", description: "Which is best?" }];

async function words(...line: string[]): Promise<string[] | string> {
  const completion = await completionFor(line, find);
  return "paths" in completion ? completion.paths : completion.candidates.map(({ word }) => word);
}

describe("completion [cli.completion]", () => {
  test("offers commands, options, references and choices at their places", async () => {
    expect(await words("re")).toEqual(["results", "rerun", "release", "reject"]);
    expect(await words("rerun", "--")).toEqual(["--failed", "--stale", "--message", "--json", "--help"]);
    expect(await words("rerun", "--failed", "--f")).toEqual([]);
    expect(await words("results", "")).toEqual(["smoothing"]);
    expect(await words("logs", "3f")).toEqual(["3f9c2a71d0"]);
    expect(await words("export", "smoothing", "--format", "m")).toEqual(["markdown"]);
    expect(await words("export", "--format", "csv", "smo")).toEqual(["smoothing"]);
    expect(await words("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });

  test("leaves paths to the shell, and offers nothing where nothing fits", async () => {
    expect(await words("run", "exp")).toBe("file");
    expect(await words("init", "")).toBe("directory");
    expect(await words("export", "smoothing", "-o", "")).toBe("file");
    expect(await words("results", "smoothing", "")).toEqual([]);
    expect(await words("nothing", "")).toEqual([]);
  });

  test("works in bash", async () => {
    const bin = fileURLToPath(new URL("../../../bin/rigor.js", import.meta.url));
    const script = `rigor() { "$NODE" "$BIN" "$@"; }
${await readTemplate("completion/rigor.bash")}
COMP_WORDS=(rigor list --fa); COMP_CWORD=2; _rigor; printf '%s\\n' "\${COMPREPLY[@]}"
COMP_WORDS=(rigor do); COMP_CWORD=1; _rigor; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const environment = { ...process.env, NODE: process.execPath, BIN: bin, RIGOR_HOME: "/nonexistent" };
    expect(execFileSync("bash", ["-euc", script], { env: environment, encoding: "utf8" })).toBe(
      "--failed\ndocument\ndown\ndoctor\n",
    );
  });
});
