import type { Environment } from "../../packages/rigor/src/domain/experiment.ts";
import type { Answer, HostShell, ScriptOptions } from "../../packages/rigor/src/hosts/shell.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { hashInputs } from "../../packages/rigor/src/provenance/inputs.ts";
import { runGit } from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import { RemoteStager } from "../../packages/rigor/src/provenance/staging/remote-stager.ts";
import type { StageRequest } from "../../packages/rigor/src/provenance/staging/stager.ts";
import type { SshLab } from "../clusters/ssh.ts";

/** A name that a careless script would take apart. */
export const root = "/root/it's a lab";

/** A shell that counts what it is asked, and lets a test do something while a script runs. */
export class WatchedShell implements HostShell {
  readonly host: string;
  readonly scripts: string[] = [];
  during: (script: string) => Promise<unknown> | void = () => undefined;
  readonly #shell: HostShell;

  constructor(shell: HostShell) {
    this.host = shell.host;
    this.#shell = shell;
  }

  async run(script: string, options?: ScriptOptions): Promise<Answer> {
    this.scripts.push(script);
    const [answer] = await Promise.all([this.#shell.run(script, options), this.during(script)]);
    return answer;
  }

  close(): Promise<void> {
    return this.#shell.close();
  }
}

export interface Staging {
  shell: WatchedShell;
  stager: RemoteStager;
}

/** A stager as a daemon has it, with a connection and a memory of its own. */
export function startStager(lab: SshLab, host: string, owner = "lab-1"): Staging {
  const shell = new WatchedShell(new SshShell({ host, config: lab.config }));
  return { shell, stager: new RemoteStager({ shell, root, owner, inputHashes: null, pauses: [0.1, 0.5, 1, 2] }) };
}

export const none: Environment = { manager: "none", lock: null, setup: null, variables: {}, pass: [] };

/** A request for the present commit of a repository, and what it says meanwhile. */
export async function requestOf(
  repository: string,
  more: { environment?: Environment; inputs?: Record<string, { path: string }> } = {},
): Promise<StageRequest & { said: string[]; lines: string[] }> {
  const said: string[] = [];
  const lines: string[] = [];
  return {
    repository,
    commit: runGit(repository, "rev-parse", "HEAD"),
    environment: more.environment ?? none,
    inputs: await hashInputs(repository, more.inputs ?? {}),
    say: (what) => said.push(what),
    log: (line) => lines.push(line),
    said,
    lines,
  };
}
