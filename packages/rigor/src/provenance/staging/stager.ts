import { RigorError } from "../../domain/errors.ts";
import type { Environment } from "../../domain/experiment.ts";
import type { BuiltEnvironment } from "../environment-record.ts";
import { hashInputs, type InputHash } from "../inputs.ts";
import type { OutputSource } from "../outputs.ts";
import type { CleanUpRequest, Removed } from "./clean-up.ts";

/** What the runs of an experiment need. */
export interface StageRequest {
  /** Top directory of the repository, on this machine. */
  repository: string;
  /** Full id. */
  commit: string;
  environment: Environment;
  /** `PATH` of the runs, where they run on this machine. Default: that of this process. */
  search_path?: string;
  /** As they were when the experiment was planned; another content is refused. */
  inputs: Readonly<Record<string, { path: string; sha256: string }>>;
  /** Told what is being made ready, and where a log of it grows. */
  say(what: string, logFile: string | null): void;
  /** Told each line of a build, where it can be followed. */
  log?(line: string): void;
  /** Ends the waiting. A build on another machine goes on, and is found by the next who asks for it. */
  signal?: AbortSignal;
}

/** A directory for a machine. */
export interface SendRequest {
  /** For people. */
  name: string;
  /** Absolute path on this machine. */
  directory: string;
  say(what: string): void;
  signal: AbortSignal;
}

/** Everything that runs need on one machine; all paths are that machine's. */
export interface Staged {
  /** The read-only checkout that runs start in. */
  directory: string;
  /** Name of each input -> path of its copy. */
  inputs: Record<string, string>;
  environment: BuiltEnvironment;
}

/** The paths of all that was staged. */
export const stagedPaths = ({ directory, inputs, environment }: Staged): string[] => [
  directory,
  ...Object.values(inputs),
  ...(environment.directory === null ? [] : [environment.directory]),
];

/**
 * Makes code, environment and inputs ready on one machine, each once. What is there already costs next to nothing;
 * callers at the same time, and other processes, do no harm.
 */
export interface Stager {
  /**
   * @throws RigorError `environment` with the last lines of a failed build; `not-possible` for an input that changed;
   *   `storage` for a machine that cannot hold it; `unreachable` where nothing is known, and all that was done is kept.
   */
  stage(request: StageRequest): Promise<Staged>;

  /** Tells that {@link stage} is about to be called, while what to stage is still being found out. */
  foresee?(environment: Environment, searchPath: string): void;

  /**
   * Copies a directory of this machine there, once for equal content; it is read-only, and goes like an input that nobody
   * uses any more.
   *
   * @returns its absolute path there; on this machine, that of the directory itself
   * @throws RigorError `storage` for a machine that cannot hold it; `unreachable` where all that was sent is kept
   */
  send(request: SendRequest): Promise<string>;

  /**
   * Makes the outputs of an attempt ready, as an input of a run that needs them.
   *
   * @returns the directory that holds them
   * @throws RigorError `not-possible` for outputs that changed; else as {@link stage}
   */
  stageOutputs(source: OutputSource, progress: Pick<StageRequest, "say" | "signal">): Promise<string>;

  /**
   * Removes what nobody uses any more, the longest unused first. What was used within a day stays: it may be in use by
   * another lab. A lab that shares the machine with others therefore cleans up more than once a day.
   *
   * @throws RigorError `storage` or `unreachable`; what was removed until then is removed whole
   */
  cleanUp(request: CleanUpRequest): Promise<Removed[]>;
}

/** A checkout that links to an environment belongs to that environment. */
export function checkoutName(commit: string, { key, links }: Pick<BuiltEnvironment, "key" | "links">): string {
  return Object.keys(links).length === 0 ? commit : `${commit}+${key.slice(0, 12)}`;
}

/** Hashes inputs and compares them with what was recorded. @throws RigorError `not-possible` where one changed */
export async function unchangedInputs(
  request: Pick<StageRequest, "repository" | "inputs">,
  cacheFile: string | null,
): Promise<Record<string, InputHash>> {
  if (Object.keys(request.inputs).length === 0) return {};
  const hashes = await hashInputs(request.repository, request.inputs, cacheFile);
  for (const [name, recorded] of Object.entries(request.inputs)) {
    if (hashes[name]?.sha256 === recorded.sha256) continue;
    throw new RigorError("not-possible", `input ${name} (${recorded.path}) changed since the experiment was planned`, {
      next: "Put the recorded content back, or run the experiment file again: it becomes a new version.",
    });
  }
  return hashes;
}
