/**
 * Makes, changes, submits and removes a workspace for ever, until it is killed: `workspace-life.ts REPOSITORY DIRECTORY`.
 * Prints what it submitted.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findSandbox } from "../../packages/rigor/src/agents/sandbox/sandbox.ts";
import { Workspaces } from "../../packages/rigor/src/agents/workspaces/workspaces.ts";
import { git } from "../../packages/rigor/src/provenance/git.ts";

const [repository = "", directory = ""] = process.argv.slice(2);
const workspaces = await Workspaces.open(repository, directory, await findSandbox("when-present"));
await workspaces.sweep(() => true);
const base = (await git(repository, ["rev-parse", "HEAD"])).trim();
for (let round = 0; ; round++) {
  const workspace = await workspaces.make({ name: "issue-1", base });
  writeFileSync(join(workspace.directory, "work.txt"), `${process.pid} ${round}\n`);
  const { commit } = await workspaces.submit("issue-1");
  process.stdout.write(`${commit}\n`);
  await workspaces.makeForReading({ name: "issue-1-review", base, submitted: commit, access: "read" });
  await workspaces.remove("issue-1-review");
  await workspaces.remove("issue-1");
}
