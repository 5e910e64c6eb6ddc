import { chmodSync, chownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Environment } from "../../domain/experiment.ts";
import { LocalShell } from "../../hosts/local-shell.ts";
import { runProgram } from "../../hosts/run-program.ts";
import type { Answer, HostShell, ScriptOptions } from "../../hosts/shell.ts";
import { hashInputs } from "../inputs.ts";
import { runGit, scratchDirectory, scratchRepository, writeFiles } from "../scratch-repository.testing.ts";
import { RemoteStager } from "./remote-stager.ts";

const nobody = 65_534;

/** This machine as a user who may do nothing but what permissions allow. */
class ShellOfNobody implements HostShell {
  readonly host = "this machine";

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    const who = ["--reuid", `${nobody}`, "--regid", `${nobody}`, "--clear-groups", "--reset-env"];
    return runProgram({ host: this.host, command: ["setpriv", ...who, "/bin/sh", "-c"], next: "" }, script, options);
  }

  async close(): Promise<void> {
    // Nothing is kept.
  }
}

const isRoot = process.getuid?.() === 0;

test.each(isRoot ? [new LocalShell(), new ShellOfNobody()] : [new LocalShell()])(
  "what is staged can be placed, used and removed by its owner ($constructor.name) [staging.by-commit]",
  async (shell) => {
    const root = scratchDirectory();
    chmodSync(root, 0o755);
    if (shell instanceof ShellOfNobody) chownSync(root, nobody, nobody);
    const repository = scratchRepository({ "package-lock.json": "{}", "in/run.sh": "echo\n", ".gitignore": "data\n" });
    writeFiles(repository, { "data/a/b": "content\n" });
    const setup = "mkdir -p node_modules/read-only && chmod a-w node_modules/read-only";
    const environment: Environment = { manager: "npm", lock: null, setup, variables: {}, pass: [] };
    const request = {
      repository,
      commit: runGit(repository, "rev-parse", "HEAD"),
      environment,
      inputs: await hashInputs(repository, { data: { path: "data" } }),
      say: () => undefined,
    };
    const stager = new RemoteStager({ shell, root, owner: "lab-1", inputHashes: null });
    for (let round = 1; round <= 2; round++) {
      const { directory, inputs } = await stager.stage(request);
      expect(readFileSync(join(directory, "in/run.sh"), "utf8")).toBe("echo\n");
      expect(statSync(join(directory, "node_modules/read-only")).isDirectory()).toBe(true);
      expect(readFileSync(join(inputs["data"] ?? "", "a/b"), "utf8")).toBe("content\n");
      for (const mark of readdirSync(join(root, "used"))) writeFileSync(join(root, "used", mark), "1000000000\n");
      const removed = await stager.cleanUp({ in_use: [], inputs_in_use: [], unused_for: 86_400, wanted_free: null });
      expect(removed.map(({ kind }) => kind).sort()).toEqual(["checkouts", "environments", "inputs", "repositories"]);
      const kept = readdirSync(root).flatMap((folder) => readdirSync(join(root, folder)));
      expect(kept).toEqual([]);
    }
  },
);
