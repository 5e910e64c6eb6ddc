import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Environment } from "../../domain/experiment.ts";
import { LocalShell } from "../../hosts/local-shell.ts";
import { checkout } from "../checkout.ts";
import { askMachine } from "../environment-build.ts";
import { ensureEnvironment } from "../environment.ts";
import type { BuiltEnvironment } from "../environment-record.ts";
import type { Installed } from "../environments/manager.ts";
import { stageInputs } from "../inputs.ts";
import { thisMachine, thisMachineBy } from "../machines/this-machine.ts";
import { placeOutputs, type OutputSource } from "../outputs.ts";
import { cleanUp, type CleanUpRequest, type Removed } from "./clean-up.ts";
import {
  checkoutName,
  unchangedInputs,
  type SendRequest,
  type Staged,
  type Stager,
  type StageRequest,
} from "./stager.ts";
import { WorkDirectory, type Kept } from "./work-directory.ts";

/** Where this machine keeps what was staged. */
export interface LocalPaths {
  /** Directory that the next three lie in, under these names. */
  root: string;
  checkouts: string;
  environments: string;
  inputs: string;
  /** File with hashes of inputs that were read before. */
  inputHashes: string;
}

/** Milliseconds for which it counts what was asked before. */
const answerMs = 2_000;

/** Makes everything ready on this machine. */
export class LocalStager implements Stager {
  readonly #paths: LocalPaths;
  #asked: { at: number; searchPath: string; installed: Promise<Installed> } | null = null;

  constructor(paths: LocalPaths) {
    this.#paths = paths;
  }

  cleanUp(request: CleanUpRequest): Promise<Removed[]> {
    return cleanUp(new WorkDirectory(new LocalShell(), this.#paths.root), request);
  }

  async send({ directory }: SendRequest): Promise<string> {
    return directory;
  }

  /** Programs that say their version may take longer than all the rest: wrappers of version managers do. */
  foresee({ manager }: Environment, searchPath: string): void {
    if (manager !== "none") return;
    const installed = askMachine(thisMachineBy(searchPath));
    // Heard where it is used.
    installed.catch(() => undefined);
    this.#asked = { at: performance.now(), searchPath, installed };
  }

  /** What was asked a moment ago; used once, so that each experiment has an answer of its own time. */
  #takeAnswer(searchPath: string | undefined): Promise<Installed> | undefined {
    const asked = this.#asked;
    this.#asked = null;
    if (asked === null || asked.searchPath !== searchPath) return undefined;
    return performance.now() - asked.at < answerMs ? asked.installed : undefined;
  }

  /** What runs find on this machine: programs of another `PATH` may be of other versions. */
  #askFor(searchPath: string | undefined): Promise<Installed> {
    return (
      this.#takeAnswer(searchPath) ?? askMachine(searchPath === undefined ? thisMachine : thisMachineBy(searchPath))
    );
  }

  async stage(request: StageRequest): Promise<Staged> {
    const hashes = await unchangedInputs(request, this.#paths.inputHashes);
    const [environment, directory] = await this.#environmentAndCode(request);
    if (Object.keys(hashes).length > 0) request.say("copying the inputs", null);
    for (const { sha256 } of Object.values(hashes)) this.#note("inputs", sha256);
    const inputs = await stageInputs(request.repository, hashes, this.#paths.inputs);
    return { directory, inputs, environment };
  }

  stageOutputs(source: OutputSource): Promise<string> {
    this.#note("inputs", source.sha256);
    return placeOutputs(source, this.#paths.inputs, this.#paths.inputHashes);
  }

  /** To ask the machine for its versions may take as long as to check out the code, and neither needs the other. */
  async #environmentAndCode(request: StageRequest): Promise<[BuiltEnvironment, string]> {
    if (request.environment.manager === "none") {
      return Promise.all([this.#environment(request), this.#checkout(request, request.commit, {})]);
    }
    const environment = await this.#environment(request);
    const directory = await this.#checkout(request, checkoutName(request.commit, environment), environment.links);
    return [environment, directory];
  }

  async #environment(request: StageRequest): Promise<BuiltEnvironment> {
    const { repository, commit, environment, search_path, log, signal } = request;
    const { environments } = this.#paths;
    return ensureEnvironment({
      repository,
      commit,
      environment,
      root: environments,
      installed: environment.manager === "none" ? this.#askFor(search_path) : undefined,
      onUse: (directory) => this.#note("environments", basename(directory)),
      onBuild: (logFile) => request.say(`building the ${environment.manager} environment`, logFile),
      ...(log === undefined ? {} : { log: (line: string) => log.call(request, line) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #checkout(request: StageRequest, name: string, links: Record<string, string>): Promise<string> {
    const { repository, commit } = request;
    request.say("checking out the code", null);
    return checkout({
      ...{ repository, commit, links },
      directory: join(this.#paths.checkouts, name),
      onUse: (directory) => this.#note("checkouts", basename(directory)),
    });
  }

  /** Notes that something is used, as `used` does on a host; before it is looked for, so that no clean-up removes it. */
  #note(kind: Kept["kind"], name: string): void {
    const folder = join(this.#paths.root, "used");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${kind}.${name}`), `${Math.floor(Date.now() / 1000)}\n`);
  }
}
