import { delimiter, join } from "node:path";
import { RigorError } from "../domain/errors.ts";
import type { ExperimentRecord } from "../domain/records.ts";
import { checkout } from "../provenance/checkout.ts";
import { ensureEnvironment, type BuiltEnvironment } from "../provenance/environment.ts";
import { hashInputs, stageInputs } from "../provenance/inputs.ts";
import { requireCommand } from "./command-check.ts";
import type { Lab } from "./lab.ts";

/** Everything that the runs of an experiment need on this machine. */
export interface Prepared {
  /** The read-only checkout that runs start in. */
  directory: string;
  /** Name of each input -> path of its copy. */
  inputs: Record<string, string>;
  environment: BuiltEnvironment;
}

/** What is being made ready, for people who wait. */
export interface PreparationStep {
  what: string;
  since: string;
  log_file: string | null;
}

/** Makes code, environment and inputs of experiments ready, each once, and remembers where they are. */
export class Preparation {
  readonly #lab: Lab;
  readonly #ready = new Map<string, Prepared>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #steps = new Map<string, PreparationStep>();
  readonly #failed = new Map<string, RigorError>();
  /** Ends builds when the daemon stops. */
  readonly #abort = new AbortController();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  get(experimentId: string): Prepared | undefined {
    return this.#ready.get(experimentId);
  }

  /** Why the last try failed. It is not tried again until it is forgiven. */
  failure(experimentId: string): RigorError | null {
    return this.#failed.get(experimentId) ?? null;
  }

  /** A person has mended what was wrong. */
  forgive(experimentId: string): void {
    this.#failed.delete(experimentId);
  }

  step(experimentId: string): PreparationStep | null {
    return this.#steps.get(experimentId) ?? null;
  }

  /** Begins to prepare, unless that is under way; calls back when it has ended, well or not. */
  begin(experiment: ExperimentRecord, done: () => void): void {
    if (this.#running.has(experiment.id) || this.#failed.has(experiment.id)) return;
    const work = this.#prepareOnce(experiment).then(() => {
      this.#running.delete(experiment.id);
      this.#steps.delete(experiment.id);
      if (!this.#abort.signal.aborted) done();
    });
    this.#running.set(experiment.id, work);
  }

  async #prepareOnce(experiment: ExperimentRecord): Promise<void> {
    try {
      this.#ready.set(experiment.id, await this.#prepare(experiment));
    } catch (error) {
      this.#failed.set(experiment.id, error instanceof RigorError ? error : this.#fault(experiment, error));
    }
  }

  #fault(experiment: ExperimentRecord, error: unknown): RigorError {
    this.#lab.log.error({ err: error, experiment: experiment.id }, "preparation failed");
    const message = error instanceof Error ? error.message : String(error);
    return new RigorError("internal", `the experiment could not be prepared: ${message}`, { cause: error });
  }

  /** Ends what is under way; it is begun anew by the next daemon. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#running.values());
  }

  async #prepare(experiment: ExperimentRecord): Promise<Prepared> {
    const { data, log } = this.#lab;
    const { repository, commit } = experiment.source;
    const { manager } = experiment.environment;
    if (manager !== "none") {
      const logFile = join(data.environments, `${manager}-${experiment.environment.key.slice(0, 20)}.log`);
      this.#say(experiment, `building the ${manager} environment`, logFile);
    }
    const environment = await ensureEnvironment({
      repository,
      commit,
      environment: experiment.definition.environment,
      root: data.environments,
      log: (line) => log.debug({ experiment: experiment.id }, line),
      signal: this.#abort.signal,
    });
    if (environment.key !== experiment.environment.key) {
      throw new RigorError("environment", "the machine's runtime changed since the experiment was planned", {
        next: "Run the experiment file again: it becomes a new version with the present runtime.",
      });
    }
    this.#say(experiment, "checking out the code", null);
    // A checkout that links to an environment belongs to that environment.
    const linked = Object.keys(environment.links).length > 0;
    const name = linked ? `${commit}+${environment.key.slice(0, 12)}` : commit;
    const directory = await checkout({
      repository,
      commit,
      directory: join(data.checkouts, name),
      links: environment.links,
    });
    const path = [...environment.path_prefix, experiment.search_path].join(delimiter);
    await requireCommand(experiment.definition, directory, path);
    this.#say(experiment, "copying the inputs", null);
    return { directory, inputs: await this.#stageInputs(experiment), environment };
  }

  async #stageInputs(experiment: ExperimentRecord): Promise<Record<string, string>> {
    if (Object.keys(experiment.inputs).length === 0) return {};
    const { data } = this.#lab;
    const { repository } = experiment.source;
    const hashes = await hashInputs(repository, experiment.definition.inputs, data.inputHashes);
    for (const [name, recorded] of Object.entries(experiment.inputs)) {
      if (hashes[name]?.sha256 === recorded.sha256) continue;
      throw new RigorError(
        "not-possible",
        `input ${name} (${recorded.path}) changed since the experiment was planned`,
        {
          next: "Put the recorded content back, or run the experiment file again: it becomes a new version.",
        },
      );
    }
    return stageInputs(repository, hashes, data.inputs);
  }

  #say(experiment: ExperimentRecord, what: string, logFile: string | null): void {
    this.#steps.set(experiment.id, { what, since: new Date().toISOString(), log_file: logFile });
  }
}
