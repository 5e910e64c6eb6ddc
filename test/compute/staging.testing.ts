import type { Environment } from "../../packages/rigor/src/domain/experiment.ts";
import type { Answer, HostShell, ScriptOptions } from "../../packages/rigor/src/hosts/shell.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { hashInputs } from "../../packages/rigor/src/provenance/inputs.ts";
import { runGit } from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import { RemoteStager } from "../../packages/rigor/src/provenance/staging/remote-stager.ts";
import type { StageRequest } from "../../packages/rigor/src/provenance/staging/stager.ts";
import { busyboxShell, type SshHostOptions, type SshLab } from "../clusters/ssh.ts";

/** A name that a careless script would take apart. */
export const root = "/root/it's a lab";

/** A shell that counts what it is asked and sent, and lets a test do something before and while a script runs. */
export class WatchedShell implements HostShell {
  readonly host: string;
  readonly scripts: string[] = [];
  /** Bytes of inputs. */
  sent = 0;
  before: (script: string) => Promise<unknown> | void = () => undefined;
  during: (script: string) => Promise<unknown> | void = () => undefined;
  readonly #shell: HostShell;

  constructor(shell: HostShell) {
    this.host = shell.host;
    this.#shell = shell;
  }

  async run(script: string, options: ScriptOptions = {}): Promise<Answer> {
    this.scripts.push(script);
    await this.before(script);
    const { input, ...rest } = options;
    const counted = input === undefined ? rest : { ...rest, input: this.#count(input) };
    const [answer] = await Promise.all([this.#shell.run(script, counted), this.during(script)]);
    return answer;
  }

  async *#count(input: NonNullable<ScriptOptions["input"]>): AsyncGenerator<Uint8Array> {
    const pieces = input instanceof Uint8Array ? [input] : input;
    for await (const piece of pieces) {
      this.sent += piece.length;
      yield piece;
    }
  }

  close(): Promise<void> {
    return this.#shell.close();
  }
}

const applets = [
  ...["awk", "cat", "chmod", "date", "dd", "df", "du", "env", "find", "grep", "gunzip", "gzip", "head", "ln", "ls"],
  ...["mkdir", "mv", "rm", "setsid", "sha256sum", "sleep", "tail", "tar", "touch", "tr", "uname", "wc", "xargs"],
];

/** A host with nothing but busybox, besides git and what builds environments. */
export const busyboxHost: SshHostOptions = {
  shell: busyboxShell,
  programs: Object.fromEntries(applets.map((name) => [name, `#!/bin/sh\nexec busybox ${name} "$@"\n`])),
};

/** Makes `/bin/sh` of such a host busybox', too. */
export async function replaceShell(lab: SshLab, host: string): Promise<void> {
  await lab.host(host).run('mount --bind /bin/busybox "$(readlink -f /bin/sh)"');
  // Other shells have no such command.
  await lab.host(host).run("sh -c help");
}

export interface Staging {
  shell: WatchedShell;
  stager: RemoteStager;
}

/**
 * A stager as a daemon has it, with a connection and a memory of its own.
 *
 * @param pauses seconds before each further try after a lost connection
 */
export function startStager(lab: SshLab, host: string, owner = "lab-1", pauses = [0.1, 0.5, 1, 2]): Staging {
  const shell = new WatchedShell(new SshShell({ host, config: lab.config }));
  return { shell, stager: new RemoteStager({ shell, root, owner, inputHashes: null, pauses }) };
}

export const none: Environment = { manager: "none", lock: null, setup: null, variables: {}, pass: [] };

/** A request for the present commit of a repository, and what it says meanwhile. */
export async function requestOf(
  repository: string,
  more: { environment?: Environment; inputs?: Record<string, { path: string }>; signal?: AbortSignal } = {},
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
    ...(more.signal === undefined ? {} : { signal: more.signal }),
    said,
    lines,
  };
}

/**
 * An environment that says on the host when its building began, in `began`, and goes on when `go-on` is there; both in
 * the home. Each build adds a line to `began`.
 */
export const patient: Environment = {
  ...none,
  manager: "npm",
  setup: "echo began; echo >>~/began; until [ -e ~/go-on ]; do sleep 0.1; done; mkdir node_modules; echo built",
};

export const patientProject = { "package-lock.json": "{}", "run.sh": "echo\n" };
