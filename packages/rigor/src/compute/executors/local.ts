import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { AttemptDirectory, attemptPath, hasCode, isMissing } from "../attempt-directory.ts";
import { collectAttempt, defaultLimit } from "../collect.ts";
import type { Failure } from "../failures.ts";
import type { ExitRecord, JobSpec, ProcessRecord } from "../job.ts";
import { writeJobFiles } from "../job-files.ts";
import { killRemains, runsWithArgument, sendSignal, witness } from "../processes.ts";
import { freeSpace, probeHost } from "../resources.ts";
import type { HostCapacity } from "../resources.ts";
import type { Collected, Executor, Handle, JobStatus, Offsets } from "./executor.ts";
import { FinishedLog } from "./finished-log.ts";
import { hasCommand, SpawnLauncher, StarterLauncher } from "./launcher.ts";
import type { Launcher } from "./launcher.ts";
import { LeftBehind } from "./left-behind.ts";

export interface LocalOptions {
  dataDirectory: string;
  /** What every job's environment begins with. Default: the usual variables of a login, and nothing else. */
  environment?: Record<string, string>;
  /** `starter` where the machine has `setsid`, else `spawn`. */
  launcher?: "starter" | "spawn";
  /** Told of a process that outlived its attempt and was ended. */
  onLeftBehind?: (attempt: string, pid: number) => void;
}

/** Milliseconds after which a job that still runs is told to watch itself. */
const kickAfter = 1000;

/** Milliseconds in which a job that was handed over claims itself; then it is submitted again, which does no harm. */
const claimPatience = 10_000;

/** Seconds after a job's grace at which a job that was cancelled is ended from outside. */
const cancelPatience = 2;

interface HandedOver {
  script: string;
  directory: AttemptDirectory;
  /** Milliseconds of the clock that never jumps. */
  at: number;
  kicked: boolean;
}

/** Runs jobs on this machine, each as a session of its own that outlives this process. */
export class LocalExecutor implements Executor {
  readonly kind = "local";
  private readonly dataDirectory: string;
  private readonly root: string;
  private readonly launcher: Launcher;
  private readonly locale: Record<string, string>;
  private readonly finishedPath: string;
  private readonly finished: FinishedLog;
  private readonly listeners = new Set<(attempt: string) => void>();
  /** Handed to the launcher, end not seen. */
  private readonly handedOver = new Map<string, HandedOver>();
  private readonly processes = new Map<string, ProcessRecord>();
  private readonly leftBehind: LeftBehind;
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly kicks: boolean;
  private kicking: NodeJS.Timeout | null = null;
  private tidying: NodeJS.Timeout | null = null;
  private closed = false;

  /** @throws RigorError `storage` when the data directory cannot be written. */
  constructor(options: LocalOptions) {
    this.dataDirectory = resolve(options.dataDirectory);
    this.root = AttemptDirectory.root(this.dataDirectory);
    this.finishedPath = join(this.root, "finished.log");
    this.finished = asStorage(this.root, () => {
      mkdirSync(this.root, { recursive: true, mode: 0o700 });
      return new FinishedLog(this.finishedPath, (attempts) => this.ended(attempts));
    });
    const given = Object.entries(options.environment ?? usualEnvironment());
    // Every program that is started reads its locale's files; only the command itself needs them.
    this.locale = Object.fromEntries(given.filter(([name]) => isLocale(name)));
    const environment = Object.fromEntries(given.filter(([name]) => !isLocale(name)));
    const kind = options.launcher ?? (hasCommand("setsid", environment["PATH"]) ? "starter" : "spawn");
    const launcherOptions = {
      root: this.root,
      environment,
      onFailure: () => this.later(100, () => this.handOverAgain()),
      onEnd: (script: string) => this.ended([basename(dirname(script))]),
    };
    this.kicks = kind === "starter";
    this.launcher = this.kicks ? new StarterLauncher(launcherOptions) : new SpawnLauncher(launcherOptions);
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
      const script = `${attemptPath(job.run, job.attempt)}/job.sh`;
      if (!existsSync(directory.claim)) {
        this.handedOver.set(job.attempt, { script, directory, at: performance.now(), kicked: !this.kicks });
        this.launcher.launch(script);
        this.kickLater();
      }
      return { attempt: job.attempt, run: job.run, reference: "" };
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
    return asStorage(directory.path, () => {
      directory.create();
      try {
        closeSync(openSync(directory.claim, "wx", 0o600));
      } catch (error) {
        if (hasCode(error, "EEXIST")) return existsSync(withdrawnMark(directory));
        throw error;
      }
      writeFileSync(withdrawnMark(directory), "", { mode: 0o600 });
      this.handedOver.delete(handle.attempt);
      return true;
    });
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

  onChange(listener: (attempt: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.launcher.close();
    this.finished.close();
    this.leftBehind.close();
    for (const timer of this.timers) clearTimeout(timer);
    this.listeners.clear();
  }

  private directory(job: { run: string; attempt: string }): AttemptDirectory {
    return AttemptDirectory.in(this.dataDirectory, job.run, job.attempt);
  }

  private prepare(directory: AttemptDirectory, job: JobSpec, bootedAt: number | null): void {
    writeJobFiles(
      directory,
      { ...job, environment: { ...this.locale, ...job.environment } },
      { directory: directory.path, finished_log: this.finishedPath, booted_at: bootedAt, kicked: this.kicks },
    );
  }

  private statusIn(directory: AttemptDirectory): JobStatus {
    const { attempt } = directory;
    const exit = directory.readExit();
    if (exit !== null) return this.endedBy(exit);
    if (!existsSync(directory.claim)) return this.unclaimed(directory);
    const record = this.processOf(directory);
    const running: JobStatus = { state: "running", beat_at: directory.lastBeatMs() };
    if (record === null) {
      if (existsSync(withdrawnMark(directory))) return { state: "gone", withdrawn: true };
      // Claimed, and no readable record: the process itself is then the only witness.
      if (runsWithArgument(relative(this.root, directory.script))) return running;
    } else if (witness(record) !== "dead") {
      // A job that another process of Rigor started may still wait for its kick.
      if (!this.handedOver.has(attempt) && !existsSync(directory.heartbeat)) this.kick(directory);
      return running;
    }
    // The record may have been written between the first look and the process's death.
    const late = directory.readExit();
    if (late !== null) return this.endedBy(late);
    if (record === null && this.processOf(directory) !== null) return running;
    if (record !== null) killRemains(record);
    this.forget(attempt);
    return { state: "gone", withdrawn: false, ...this.causeOfDeath(record) };
  }

  /** A job that has not claimed itself for long is handed over again: its script may have met a full disk. */
  private unclaimed({ attempt }: AttemptDirectory): JobStatus {
    const waiting = this.handedOver.get(attempt);
    if (waiting === undefined) return { state: "unclaimed" };
    if (performance.now() - waiting.at < claimPatience) return { state: "waiting" };
    this.handedOver.delete(attempt);
    return { state: "unclaimed" };
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
    this.handedOver.delete(attempt);
    this.processes.delete(attempt);
  }

  /** Tells the job's script to end its run; if it is not gone long after its grace, its group is killed. */
  private terminate(directory: AttemptDirectory): void {
    if (directory.readExit() !== null) return;
    const record = this.processOf(directory);
    if (record === null || witness(record) !== "alive") return;
    sendSignal(record.pid, "SIGTERM");
    this.later((readGrace(directory) + cancelPatience) * 1000, () => {
      if (witness(record) === "alive") sendSignal(-record.pid, "SIGKILL");
      this.notify(directory.attempt);
    });
  }

  private ended(attempts: readonly string[]): void {
    for (const attempt of attempts) {
      this.handedOver.delete(attempt);
      this.notify(attempt);
    }
    if (this.tidying !== null || this.closed) return;
    this.tidying = this.later(100, () => {
      this.tidying = null;
      this.launcher.tidy();
    });
  }

  private notify(attempt: string): void {
    for (const listener of this.listeners) listener(attempt);
  }

  private handOverAgain(): void {
    for (const { script, directory } of this.handedOver.values()) {
      if (!existsSync(directory.claim)) this.launcher.launch(script);
    }
  }

  /** One timer for all jobs: each is kicked once, when it has run for a moment. */
  private kickLater(): void {
    if (!this.kicks || this.kicking !== null) return;
    this.kicking = this.later(kickAfter, () => {
      this.kicking = null;
      const before = performance.now() - kickAfter;
      const due = [...this.handedOver.values()].filter((one) => !one.kicked);
      for (const one of due.filter((each) => each.at <= before)) one.kicked = this.kick(one.directory);
      if (due.length > 0) this.kickLater();
    });
  }

  /** False when the job has not started yet. */
  private kick(directory: AttemptDirectory): boolean {
    const record = this.processOf(directory);
    if (record !== null && witness(record) === "alive") sendSignal(record.pid, "SIGCONT");
    return record !== null;
  }

  private later(milliseconds: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.closed) action();
    }, milliseconds).unref();
    this.timers.add(timer);
    return timer;
  }
}

/** Ended, dead, or without a directory that it could still write to. */
function isOver(status: JobStatus | undefined, directory: AttemptDirectory): boolean {
  if (status?.state === "unclaimed") return statSync(directory.path, { throwIfNoEntry: false }) === undefined;
  return status?.state === "ended" || status?.state === "gone";
}

/** Beside the claim: it was taken so that the job cannot start. */
function withdrawnMark(directory: AttemptDirectory): string {
  return join(directory.path, "withdrawn");
}

/** The grace of a job in seconds; none where its specification can no longer be read. */
function readGrace(directory: AttemptDirectory): number {
  try {
    const spec: unknown = JSON.parse(readFileSync(directory.spec, "utf8"));
    if (typeof spec !== "object" || spec === null || !("grace" in spec)) return 0;
    return typeof spec.grace === "number" ? spec.grace : 0;
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return 0;
    throw error;
  }
}

const usualVariables =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|CUDA_HOME|XDG_RUNTIME_DIR)$/;

function isLocale(name: string): boolean {
  return /^(LANG|LANGUAGE|LC_[A-Z]+)$/.test(name);
}

/** What a job needs of this process's environment; the rest, secrets among it, stays here. */
export function usualEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && usualVariables.test(name)) kept[name] = value;
  }
  return kept;
}

/** Epoch seconds at which /proc/uptime was zero; null on a system without it. */
function bootTime(): number | null {
  if (process.platform !== "linux") return null;
  const uptime = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
  return Date.now() / 1000 - uptime;
}

function asStorage<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const found = storageProblems.find(([code]) => hasCode(error, code));
    if (found === undefined) throw error;
    throw new RigorError("storage", `Cannot write ${path}: ${found[1]}.`, { next: found[2], cause: error });
  }
}

const storageProblems: readonly (readonly [code: string, problem: string, next: string])[] = [
  ["ENOSPC", "the disk is full", "Free some space; runs that have not started will then start."],
  ["EDQUOT", "the disk quota is used up", "Free some space or ask for a larger quota."],
  ["EROFS", "the file system is read-only", "Choose another data directory, or make this one writable."],
  ["EACCES", "permission is denied", "Make the data directory writable for this user."],
  ["ENOTDIR", "a part of the path is not a directory", "Choose another data directory."],
  ["EPERM", "permission is denied", "Make the data directory writable for this user."],
];
