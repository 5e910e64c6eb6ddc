import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { noSettings } from "./own-git.ts";
import type { Workspace } from "./workspace.ts";

export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

const limitMs = 600_000;
const mostOutput = 10_000_000;

/** Settings of git's that name programs, which an author may have changed. They count where there is no sandbox. */
const harmless = ["core.fsmonitor=false", "core.hooksPath=/dev/null", "commit.gpgSign=false", "gc.auto=0"];

/**
 * Runs a script of `sh` in a workspace that an agent has touched, in the sandbox and without any network. `git` in it
 * heeds no hooks and no person's settings.
 */
export async function runInside(
  workspace: Workspace,
  sandbox: Sandbox,
  script: string,
  variables: Record<string, string> = {},
): Promise<Outcome> {
  const home = join(workspace.scratch, "home");
  await mkdir(home, { recursive: true });
  const policy = { ...workspace.policy, scratch: workspace.scratch, hidden: [], network: { hosts: [] }, gpus: false };
  const [file = "", ...args] = sandbox.wrap(["sh", "-c", script], policy);
  const settings = Object.fromEntries(
    harmless.flatMap((setting, index) => {
      const [key = "", value = ""] = setting.split("=");
      return [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ];
    }),
  );
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_COUNT: String(harmless.length),
    ...settings,
    ...noSettings,
    ...variables,
  };
  return new Promise((resolve, reject) => {
    const options = { cwd: workspace.directory, env, timeout: limitMs, maxBuffer: mostOutput };
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ status: error.code, stdout, stderr });
      else reject(new RigorError("internal", `git did not finish in ${workspace.directory}.`, { cause: error }));
    });
    child.stdin?.end();
  });
}
