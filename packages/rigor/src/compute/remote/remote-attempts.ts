import { existsSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { bytes } from "../../domain/format/numbers.ts";
import { openDirectory } from "../../hosts/open-directory.ts";
import type { HostShell } from "../../hosts/shell.ts";
import { AttemptDirectory, attemptPath } from "../attempt/attempt-directory.ts";
import { collectAttempt, defaultLimit } from "../collect.ts";
import type { Collected, Handle, Offsets } from "../executor.ts";
import { writeJobFiles } from "../attempt/job-files.ts";
import type { ExitRecord, JobSpec } from "../attempt/job.ts";
import { refuseWithoutRoot } from "./missing-root.ts";
import { parseProbe, probeScript } from "./probe.ts";
import type { HostCapacity } from "../placement/resources.ts";
import { asStorage } from "../attempt/storage-errors.ts";
import { Arrivals, type EndedAttempt } from "./arrivals.ts";
import { AttemptMirror } from "./attempt-mirror.ts";
import type { Sight } from "./survey.ts";

export interface RemoteOptions {
  shell: HostShell;
  /** Directory on the host, absolute or starting with `~/`, that nobody else uses. */
  directory: string;
  /** The data directory on this machine, where attempts are copied to. */
  dataDirectory: string;
  /** Jobs are executed by a scheduler, which may start them again. Default: false. */
  scheduled?: boolean;
}

/**
 * What the files of an attempt on a host show. `claimed`: something executes it, or died over it. `ended` only when
 * everything that it declared is on this machine.
 */
export type Seen =
  | { state: "missing" | "unclaimed" | "withdrawn" | "arriving" }
  | { state: "claimed"; witness: Extract<Sight, { state: "claimed" }>["witness"]; beat_at: number | null }
  | { state: "ended"; exit: ExitRecord };

/** The attempts of one lab on one host, and their copies on this machine. */
export class RemoteAttempts {
  readonly #options: RemoteOptions;
  #connected: Promise<AttemptMirror> | null = null;
  /** What these left is here: their hosts need not be asked about them. */
  readonly #arrived = new Set<string>();
  readonly #arrivals = new Arrivals((attempt) => {
    this.#arrived.add(attempt);
    for (const listener of this.#listeners) listener(attempt);
  });
  readonly #beats = new Map<string, { beat: string; at: number }>();
  readonly #listeners = new Set<(attempt: string) => void>();

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  /** Makes the directory on the host, once, and finds where it is. */
  async mirror(): Promise<AttemptMirror> {
    this.#connected ??= this.#connect();
    try {
      return await this.#connected;
    } catch (error) {
      this.#connected = null;
      throw error;
    }
  }

  async #connect(): Promise<AttemptMirror> {
    const { shell, directory, dataDirectory } = this.#options;
    const root = await openDirectory(shell, `${directory}/attempts`);
    return new AttemptMirror(shell, root, AttemptDirectory.root(dataDirectory));
  }

  async probe(excludedGpus: readonly string[]): Promise<HostCapacity> {
    const { root } = await this.mirror();
    const { shell } = this.#options;
    const answer = await shell.run(probeScript(root));
    refuseWithoutRoot(shell.host, root, answer);
    return parseProbe(answer.stdout.toString("utf8"), excludedGpus);
  }

  /** Writes the directories of jobs on the host. @returns their paths below the folder of all attempts */
  async write(jobs: readonly JobSpec[]): Promise<string[]> {
    const mirror = await this.mirror();
    const paths = jobs.map(pathOf);
    const { scheduled = false } = this.#options;
    for (const job of jobs) {
      const directory = `${mirror.root}/${pathOf(job)}`;
      const place = { directory, finished_log: null, booted_at: null, kicked: false, scheduled };
      writeJobFiles(mirror.directory(pathOf(job)), job, place);
    }
    await mirror.push(paths);
    for (const path of paths) rmSync(mirror.directory(path).secrets, { force: true });
    return paths;
  }

  /** Looks at attempts, follows what they write, and begins to bring over what those left that ended. */
  async look(handles: readonly Handle[]): Promise<Map<string, Seen>> {
    const mirror = await this.mirror();
    const fault = this.#arrivals.takeFault();
    if (fault !== null) {
      asStorage(this.#options.dataDirectory, () => {
        throw fault;
      });
    }
    const ends = this.#arrivedEnds(handles);
    const asked = handles.filter(({ attempt }) => !this.#arrivals.has(attempt) && !ends.has(attempt));
    const { sights, sizes } = await mirror.survey(asked.map(pathOf));
    const running = asked.filter((handle) => sights.get(pathOf(handle))?.state === "claimed");
    await mirror.bring(running.flatMap((handle) => mirror.streamsOf(pathOf(handle), sizes)));
    const seen = new Map<string, Seen>();
    const ended: EndedAttempt[] = [];
    for (const handle of handles) {
      const { attempt } = handle;
      const sight = sights.get(pathOf(handle));
      const exit = ends.get(attempt);
      if (exit !== undefined) seen.set(attempt, { state: "ended", exit });
      else if (this.#arrivals.has(attempt)) seen.set(attempt, { state: "arriving" });
      else if (sight !== undefined) seen.set(attempt, this.#see(mirror.directory(pathOf(handle)), sight));
      const isNew = sight?.state === "ended" && seen.get(attempt)?.state === "arriving";
      if (isNew && !this.#arrivals.has(attempt)) ended.push({ attempt, path: pathOf(handle), record: sight.record });
    }
    this.#arrivals.add(mirror, ended, sizes);
    return seen;
  }

  /** How those ended whose ends are here. A copy that somebody removed is brought again. */
  #arrivedEnds(handles: readonly Handle[]): Map<string, ExitRecord> {
    const ends = new Map<string, ExitRecord>();
    for (const handle of handles) {
      if (!this.#arrived.delete(handle.attempt)) continue;
      const exit = this.copyOf(handle).readExit();
      if (exit === null) continue;
      ends.set(handle.attempt, exit);
      this.#arrived.add(handle.attempt);
    }
    return ends;
  }

  #see(copy: AttemptDirectory, sight: Sight): Seen {
    if (sight.state === "claimed") {
      if (sight.record !== "") writeFileSync(copy.process, `${sight.record}\n`, { mode: 0o600 });
      return { state: "claimed", witness: sight.witness, beat_at: this.#beatOf(copy.attempt, sight.beat) };
    }
    if (sight.state !== "ended") return sight;
    const exit = copy.readExit();
    if (exit !== null) return { state: "ended", exit };
    // A record that is here and says nothing is no end that anybody recorded.
    return existsSync(copy.exit) ? { state: "claimed", witness: "dead", beat_at: null } : { state: "arriving" };
  }

  /** When the sign of life last changed, by this machine's clock: hosts' clocks differ. */
  #beatOf(attempt: string, beat: string | null): number | null {
    const known = this.#beats.get(attempt);
    if (beat === null || known?.beat === beat) return known?.at ?? null;
    const at = Date.now();
    this.#beats.set(attempt, { beat, at });
    return at;
  }

  collect(requests: readonly { handle: Handle; offsets: Offsets }[], limit = defaultLimit): Map<string, Collected> {
    return new Map(
      requests.map(({ handle, offsets }) => [handle.attempt, collectAttempt(this.copyOf(handle), offsets, limit)]),
    );
  }

  /** Those attempts that left checkpoints on the host. */
  async withCheckpoints(handles: readonly Handle[]): Promise<Set<string>> {
    const kept = new Set(await (await this.mirror()).checkpoints(handles.map(pathOf)));
    return new Set(handles.filter((handle) => kept.has(pathOf(handle))).map(({ attempt }) => attempt));
  }

  async bringCheckpoints(handle: Handle): Promise<void> {
    const mirror = await this.mirror();
    const path = pathOf(handle);
    const files = (await mirror.outputsOf(new Map([[path, ["checkpoints"]]]))).get(path) ?? [];
    const size = files.reduce((sum, file) => sum + mirror.missing(file), 0);
    requireRoomHere(this.#options.dataDirectory, size);
    await mirror.bring(files);
    if (files.every((file) => mirror.has(file))) return;
    throw new RigorError("unreachable", `Not all checkpoints of ${handle.attempt} came from ${mirror.host}.`);
  }

  /** The copy of an attempt's directory on this machine. */
  copyOf(handle: Handle): AttemptDirectory {
    return new AttemptDirectory(join(AttemptDirectory.root(this.#options.dataDirectory), pathOf(handle)));
  }

  /** Calls the listener when what an attempt left has arrived. */
  onArrival(listener: (attempt: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  forget(attempt: string): void {
    this.#arrived.delete(attempt);
    this.#beats.delete(attempt);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    // What is on its way comes with the next look, from where it stopped.
    await this.#options.shell.close();
    await this.#arrivals.settle();
  }
}

/** Bytes that copies of checkpoints leave free on this machine. */
const spareHere = 1e9;

function requireRoomHere(directory: string, size: number): void {
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  if (size + spareHere <= free) return;
  const message = `Checkpoints of ${bytes(size)} do not fit into ${directory} on this machine: ${bytes(free)} are free.`;
  throw new RigorError("storage", message, { next: "Free room on this machine." });
}

export const pathOf = ({ run, attempt }: Pick<Handle, "run" | "attempt">): string => attemptPath(run, attempt);
