/** The examples of the README, in a clone of this repository. */
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserLab, workspace } from "./lab.ts";

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab();
  // The files as they are here, committed or not, without what git ignores.
  const names = execFileSync(
    "git",
    [
      "ls-files",
      "-z",
      "--cached",
      "--others",
      "--exclude-standard",
      "examples",
      "packages/rigor/helpers",
      ".gitignore",
    ],
    {
      cwd: workspace,
      encoding: "utf8",
    },
  );
  for (const name of names.split("\0").filter(Boolean)) cpSync(join(workspace, name), join(lab.repository, name));
  lab.init();
  lab.git("add", "--all");
  lab.git("commit", "--quiet", "--message", "The examples");
});
afterAll(() => lab.close());

test.each([
  ["smoothing", 60, "kneser-ney better than add-k on perplexity"],
  ["superposition", 30, "sparse better than dense on features_represented"],
  ["pruning", 30, "magnitude better than random on unexplained"],
  ["python", 60, "stratified better than antithetic on error"],
])(
  "%s is run to its decision, which is that of the literature [example.smoothing] [example.superposition] [example.pruning] [start.two-commands]",
  async (example, runs, comparison) => {
    const file = `examples/${example}/experiment.yaml`;
    const answer = await lab.rigor("run", file);
    expect(answer.status, answer.text).toBe(0);
    expect(answer.stdout).toContain("Decision: supported.");
    expect(answer.stdout).toMatch(new RegExp(`^ +supported: ${comparison}`, "m"));
    const again = await lab.rigor("run", file);
    expect(again.stdout).toContain(`all ${runs} runs are done already`);
    expect(lab.git("status", "--porcelain")).toBe("");
  },
);
