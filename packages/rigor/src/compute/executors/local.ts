import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import { collectAttempt, defaultLimit } from "../collect.ts";
import type { Failure } from "../failures/failures.ts";
import type { ExitRecord, JobSpec } from "../attempt/job.ts";
import { writeJobFiles } from "../attempt/job-files.ts";
import { killRemains, runsWithArgument, sendSignal, witness } from "../../hosts/processes.ts";
import { freeSpace, probeHost } from "../placement/resources.ts";
import type { HostCapacity } from "../placement/resources.ts";
import { asStorage } from "../attempt/storage-errors.ts";
import type { Collected, Executor, Handle, JobStatus, KeptDirectory, Offsets } from "../executor.ts";
import { FinishedLog } from "./finished-log.ts";
import { LeftBehind } from "./left-behind.ts";
import { usualEnvironment, splitLocale } from "../attempt/usual-environment.ts";
import { Starts } from "./starts.ts";
import { Timers } from "./timers.ts";
import type { ProcessRecord } from "../../hosts/processes.ts";

export interface LocalOptions {
  dataDirectory: string;
  /** What every job's environment begins with. Default: the usual variables of a login, and nothing else. */
  environment?: Record<string, string>;
  /** `starter` where the machine has `setsid`, else `spawn`. */
  launcher?: "starter" | "spawn";
  /** Told of a process that outlived its attempt and was ended. */
  onLeftBehind?: (attempt: string, pid: number) => void;
}

/** Seconds after a job's grace at which a job that was cancelled is ended from outside. */
const cancelPatience = 2;

/** Runs jobs on this machine, each as a session of its own that outlives this process. */
export class LocalExecutor implements Executor {
  readonly kind = "local";
  private readonly dataDirectory: string;
  private readonly root: string;
  private readonly locale: Record<string, string>;
  private readonly finishedPath: string;
  private readonly finished: FinishedLog;
  private readonly starts: Starts;
  private readonly leftBehind: LeftBehind;
  private readonly listeners = new Set<(attempt: string) => void>();
  private readonly processes = new Map<string, ProcessRecord>();
  private readonly timers = new Timers();
  private closed = false;

  /** @throws RigorError `storage` when the data directory cannot be written. */
  constructor(options: LocalOptions) {
    this.dataDirectory = resolve(options.dataDirectory);
    this.root = AttemptDirectory.root(this.dataDirectory);
    this.finishedPath = join(this.root, "finished.log");
    this.finished = asStorage(this.root, () => {
      mkdirSync(this.root, { recursive: true, mode: 0o700 });
      return new FinishedLog(this.finishedPath, (attempts) => {
        for (const attempt of attempts) this.ended(attempt);
      });
    });
    const { locale, rest } = splitLocale(options.environment ?? usualEnvironment());
    this.locale = locale;
    this.starts = new Starts({
      root: this.root,
      environment: rest,
      launcher: options.launcher,
      kick: (directory) => this.kick(directory),
      onEnd: (attempt) => this.ended(attempt),
    });
    this.leftBehind = new LeftBehind({
      root: this.root,
      isOver: (path) => {
        const directory = new AttemptDirectory(path);
        return isOver(this.statusIn(directory), directory);
      },
      onEnded: (path, pid) => options.onLeftBehind?.(basename(path), pid),
    });
    // Attempts may have ended while nobody was there.
    this.leftBehind.look();
  }

  async probe(): Promise<HostCapacity> {
    return await probeHost(this.dataDirectory);
  }

  async submit(jobs: readonly JobSpec[]): Promise<Handle[]> {
    const bootedAt = bootTime();
    return jobs.map((job) => {
      const directory = this.directory(job);
      asStorage(directory.path, () => this.prepare(directory, job, bootedAt));
      if (!existsSync(directory.claim)) this.starts.handOver(directory);
      return { attempt: job.attempt, run: job.run };
    });
  }

  async status(handles: readonly Handle[]): Promise<Map<string, JobStatus>> {
    const directories = handles.map((handle) => this.directory(handle));
    const statuses = new Map(directories.map((one) => [one.attempt, this.statusIn(one)]));
    if (directories.some((one) => isOver(statuses.get(one.attempt), one))) this.leftBehind.look();
    return statuses;
  }

  async withdraw(handle: Handle): Promise<boolean> {
    const directory = this.directory(handle);
    const withdrawn = asStorage(directory.path, () => directory.withdraw());
    if (withdrawn) this.starts.forget(handle.attempt);
    return withdrawn;
  }

  async cancel(handles: readonly Handle[]): Promise<void> {
    for (const handle of handles) {
      const directory = this.directory(handle);
      asStorage(directory.path, () => {
        directory.create();
        writeFileSync(directory.cancel, "", { mode: 0o600 });
      });
      // A job that has just claimed itself looks for the mark; any later one has a process record to signal.
      if (await this.withdraw(handle)) this.notify(handle.attempt);
      else this.terminate(directory);
    }
  }

  async collect(
    requests: readonly { handle: Handle; offsets: Offsets }[],
    limit = defaultLimit,
  ): Promise<Map<string, Collected>> {
    return new Map(
      requests.map(({ handle, offsets }) => [handle.attempt, collectAttempt(this.directory(handle), offsets, limit)]),
    );
  }

  async identity(): Promise<null> {
    return null;
  }

  async takeOver(): Promise<void> {
    // Whoever submits on this machine does so in this data directory.
  }

  async attemptsRoot(): Promise<string> {
    return this.root;
  }

  async withCheckpoints(handles: readonly Handle[]): Promise<Set<string>> {
    const kept = handles.filter((handle) => this.directory(handle).hasCheckpoints());
    return new Set(kept.map(({ attempt }) => attempt));
  }

  /** They are here. */
  async bringCheckpoints(): Promise<void> {}

  /** They are the record of what was run. */
  async keptDirectories(): Promise<KeptDirectory[]> {
    return [];
  }

  async removeDirectories(): Promise<void> {}

  onChange(listener: (attempt: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.starts.close();
    this.finished.close();
    await this.leftBehind.close();
    this.timers.close();
    this.listeners.clear();
  }

  private directory(job: { run: string; attempt: string }): AttemptDirectory {
    return AttemptDirectory.in(this.dataDirectory, job.run, job.attempt);
  }

  private prepare(directory: AttemptDirectory, job: JobSpec, bootedAt: number | null): void {
    writeJobFiles(
      directory,
      { ...job, environment: { ...this.locale, ...job.environment } },
      {
        directory: directory.path,
        finished_log: this.finishedPath,
        booted_at: bootedAt,
        kicked: this.starts.kicks,
      },
    );
  }

  private statusIn(directory: AttemptDirectory): JobStatus {
    const { attempt } = directory;
    const exit = directory.readExit();
    if (exit !== null) return this.endedBy(exit);
    if (!existsSync(directory.claim)) return { state: this.starts.isWaiting(attempt) ? "waiting" : "unclaimed" };
    const record = this.processOf(directory);
    const running: JobStatus = { state: "running", beat_at: directory.lastBeatMs() };
    if (record === null) {
      if (existsSync(directory.withdrawn)) return { state: "gone", withdrawn: true };
      // Claimed, and no readable record: the process itself is then the only witness.
      if (runsWithArgument(relative(this.root, directory.script))) return running;
    } else if (witness(record) !== "dead") {
      // A job that another process of Rigor started may still wait for its kick.
      if (!this.starts.has(attempt) && !existsSync(directory.heartbeat)) this.kick(directory);
      return running;
    }
    // The record may have been written between the first look and the process's death.
    const late = directory.readExit();
    if (late !== null) return this.endedBy(late);
    if (record === null && this.processOf(directory) !== null) return running;
    if (record !== null) killRemains(record);
    this.forget(attempt);
    return { state: "gone", withdrawn: false, beat_at: directory.lastBeatMs(), ...this.causeOfDeath(record) };
  }

  private endedBy(exit: ExitRecord): JobStatus {
    this.forget(exit.attempt);
    return { state: "ended", exit };
  }

  private processOf(directory: AttemptDirectory): ProcessRecord | null {
    const known = this.processes.get(directory.attempt);
    if (known !== undefined) return known;
    const record = directory.readProcess();
    if (record !== null) this.processes.set(directory.attempt, record);
    return record;
  }

  /** Whatever killed the job's script: its own log cannot tell of it. */
  private causeOfDeath(record: ProcessRecord | null): Failure {
    const who = record === null ? "The job's script" : `Process ${record.pid}`;
    const evidence = `${who} died without a record of its end.`;
    const space = freeSpace(this.dataDirectory);
    const full = space.bytes < 64 * 1024 || space.inodes === 0;
    return full
      ? { category: "disk-full", evidence: `${evidence} No space left on device.` }
      : { category: "node-failure", evidence };
  }

  private forget(attempt: string): void {
    this.starts.forget(attempt);
    this.processes.delete(attempt);
  }

  /** Tells the job's script to end its run; if it is not gone long after its grace, its group is killed. */
  private terminate(directory: AttemptDirectory): void {
    if (directory.readExit() !== null) return;
    const record = this.processOf(directory);
    if (record === null || witness(record) !== "alive") return;
    sendSignal(record.pid, "SIGTERM");
    this.timers.later((directory.readGrace() + cancelPatience) * 1000, () => {
      if (witness(record) === "alive") sendSignal(-record.pid, "SIGKILL");
      this.notify(directory.attempt);
    });
  }

  private ended(attempt: string): void {
    this.starts.forget(attempt);
    this.notify(attempt);
  }

  private notify(attempt: string): void {
    for (const listener of this.listeners) listener(attempt);
  }

  /** False when the job has not started yet. */
  private kick(directory: AttemptDirectory): boolean {
    const record = this.processOf(directory);
    if (record !== null && witness(record) === "alive") sendSignal(record.pid, "SIGCONT");
    return record !== null;
  }
}

/** Ended, dead, or without a directory that it could still write to. */
function isOver(status: JobStatus | undefined, directory: AttemptDirectory): boolean {
  if (status?.state === "unclaimed") return statSync(directory.path, { throwIfNoEntry: false }) === undefined;
  return status?.state === "ended" || status?.state === "gone";
}

/** Epoch seconds at which /proc/uptime was zero; null on a system without it. */
function bootTime(): number | null {
  if (process.platform !== "linux") return null;
  return Date.now() / 1000 - uptime();
}
