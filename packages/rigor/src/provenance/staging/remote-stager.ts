import { basename } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import type { HostShell } from "../../hosts/shell.ts";
import type { BuiltEnvironment } from "../environment-record.ts";
import { HostMachine } from "../machines/host-machine.ts";
import type { OutputSource } from "../outputs.ts";
import { cleanUp, type CleanUpRequest, type Removed } from "./clean-up.ts";
import { hashInputs } from "../inputs.ts";
import { PatientShell } from "./patient-shell.ts";
import { RemoteCode } from "./remote-code.ts";
import { ensureRemoteEnvironment } from "./remote-environments.ts";
import { RemoteInputs } from "./remote-inputs.ts";
import {
  checkoutName,
  unchangedInputs,
  type SendRequest,
  type Staged,
  type Stager,
  type StageRequest,
} from "./stager.ts";
import { WorkDirectory } from "./work-directory.ts";

export interface RemoteStagerOptions {
  shell: HostShell;
  /** Absolute path of the work directory on the host. Others may use it at the same time. */
  root: string;
  /** Names this lab among all that use the directory: letters, digits and hyphens; the same after a restart. */
  owner: string;
  /** File on this machine with hashes of inputs that were read before; null keeps none. */
  inputHashes: string | null;
  /** Seconds before each further try after a lost connection. */
  pauses?: readonly number[];
}

/** What was staged before, and the programs that the host had then. */
interface Known {
  staged: Staged;
  programs: string;
}

/**
 * Makes everything ready on a host, with nothing there but tar and POSIX tools, and git where it has it:
 *
 *     repositories/    bare repositories that commits are sent to, each without its history
 *     checkouts/       read-only checkouts by commit
 *     environments/    environments by manager and key, each with `.log` and `.builds` beside it
 *     inputs/          inputs by what they hash to
 *     used/            when each of these was last used
 *     incoming/        what is being sent
 */
export class RemoteStager implements Stager {
  readonly #options: RemoteStagerOptions;
  /** By what was asked for. */
  readonly #known = new Map<string, Known>();

  constructor(options: RemoteStagerOptions) {
    if (!/^[A-Za-z0-9-]{1,64}$/.test(options.owner)) {
      throw new RigorError("internal", `"${options.owner}" cannot name the owner of what is staged`);
    }
    this.#options = options;
  }

  cleanUp(request: CleanUpRequest): Promise<Removed[]> {
    return cleanUp(this.#directory(), request);
  }

  async send({ name, directory, say, signal }: SendRequest): Promise<string> {
    const hashes = await hashInputs("/", { [name]: { path: directory } }, this.#options.inputHashes);
    const inputs = new RemoteInputs(this.#directory(signal), this.#options);
    const staged = await inputs.stage({ repository: "/", say }, hashes);
    const path = staged[name];
    if (path === undefined) throw new RigorError("internal", `${directory} was sent to nowhere`);
    return path;
  }

  async stage(request: StageRequest): Promise<Staged> {
    const directory = this.#directory(request.signal);
    const hashes = await unchangedInputs(request, this.#options.inputHashes);
    const { repository, commit, environment, inputs } = request;
    const question = JSON.stringify([repository, commit, environment, inputs]);
    const known = this.#known.get(question);
    const sight = await this.#look(directory, known?.staged ?? null);
    if (known !== undefined && sight.isThere && sight.programs === known.programs) return known.staged;
    const [environmentThere, checkout] = await this.#environmentAndCode(request, directory);
    const staged = {
      directory: checkout,
      inputs: await new RemoteInputs(directory, this.#options).stage(request, hashes),
      environment: environmentThere,
    };
    this.#known.set(question, { staged, programs: sight.programs });
    return staged;
  }

  async stageOutputs(source: OutputSource, { say, signal }: Pick<StageRequest, "say" | "signal">): Promise<string> {
    return new RemoteInputs(this.#directory(signal), this.#options).stageOutputs(source, say);
  }

  #directory(signal?: AbortSignal): WorkDirectory {
    const { shell, root, pauses } = this.#options;
    return new WorkDirectory(new PatientShell(shell, { pauses, signal }), root);
  }

  /** Whether all that was staged is still there, and which programs decide what an environment is built for. */
  async #look(directory: WorkDirectory, staged: Staged | null): Promise<{ isThere: boolean; programs: string }> {
    const script = lookScript(staged);
    const text = await directory.run({ what: "looking at the host", script });
    const [word, programs] = [text.slice(0, text.indexOf("\n")), text.slice(text.indexOf("\n") + 1)];
    if (word === "present" || word === "absent") return { isThere: word === "present", programs };
    throw new RigorError("unreachable", `${directory.host} does not say what it has: ${JSON.stringify(word)}`);
  }

  async #environmentAndCode(request: StageRequest, directory: WorkDirectory): Promise<[BuiltEnvironment, string]> {
    const { repository, commit, environment, signal } = request;
    const code = new RemoteCode(directory, this.#options.owner);
    const say = (what: string, logFile: string | null = null) => request.say(what, logFile);
    const log = (line: string) => request.log?.(line);
    const ensured = ensureRemoteEnvironment(directory, new HostMachine(directory.shell), {
      ...{ repository, commit, environment, say, log, signal },
    });
    // The environment is the host's own, and nothing of it is needed to check out.
    if (environment.manager === "none") {
      return Promise.all([ensured, code.checkout({ repository, commit, name: commit, links: {}, say })]);
    }
    const built = await ensured;
    const { links } = built;
    return [built, await code.checkout({ repository, commit, name: checkoutName(commit, built), links, say })];
  }
}

function lookScript(staged: Staged | null): string {
  const { directory, environment, inputs = {} } = staged ?? {};
  const there = [
    ...(directory === undefined ? [] : [["checkouts", directory, ""]]),
    ...(environment?.directory ? [["environments", environment.directory, "/complete.json"]] : []),
    ...Object.values(inputs).map((path) => ["inputs", path, ""]),
  ];
  const looks = there.map(([kind = "", path = "", file = ""]) => {
    return `there ${kind} ${quote(basename(path))} ${quote(`${path}${file}`)}`;
  });
  return `state=present
there() {
  used "$1" "$2"
  if [ ! -e "$3" ]; then state=absent; fi
  if [ "$1" = checkouts ] && ! unchanged "$3"; then state=absent; fi
}
${looks.join("\n")}
echo "$state"
uname -sm
node --version 2>/dev/null || :
python3 --version 2>/dev/null || :`;
}
