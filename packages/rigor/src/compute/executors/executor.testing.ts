import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach } from "vitest";
import { AttemptDirectory, attemptPath } from "../attempt/attempt-directory.ts";
import type { ExitRecord, JobSpec } from "../attempt/job.ts";
import type { Executor, Handle, JobStatus, Offsets } from "../executor.ts";

export const fromTheStart: Offsets = { stdout: 0, stderr: 0, metrics: 0 };

let serial = 0;

/** A job that the tests may change in what matters to them. */
export function makeJob(workingDirectory: string, command: JobSpec["command"], more: Partial<JobSpec> = {}): JobSpec {
  serial += 1;
  return {
    attempt: `attempt-${process.pid}-${serial}`,
    run: `${serial % 16}0-run-${serial}`,
    command,
    working_directory: workingDirectory,
    environment: {},
    parameters: {},
    time_limit: 300,
    grace: 1,
    heartbeat: 1,
    ...more,
  };
}

/** Polls a job until a state is reached; shows the last status when it is not. */
export async function untilState<S extends JobStatus["state"]>(
  executor: Executor,
  handle: Handle,
  state: S,
  seconds = 90,
): Promise<Extract<JobStatus, { state: S }>> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const status = (await executor.status([handle])).get(handle.attempt);
    if (isState(status, state)) return status;
    if (performance.now() > deadline || status?.state === "ended" || status?.state === "gone") {
      throw new Error(`${handle.attempt} is not ${state} but ${JSON.stringify(status)}`);
    }
    await sleep(10);
  }
}

function isState<S extends JobStatus["state"]>(
  status: JobStatus | undefined,
  state: S,
): status is Extract<JobStatus, { state: S }> {
  return status?.state === state;
}

export async function untilExists(path: string, seconds = 90): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!existsSync(path)) {
    if (performance.now() > deadline) throw new Error(`${path} did not appear`);
    await sleep(10);
  }
}

/** A path within single quotes of a shell. */
export function quoted(path: string): string {
  return path.replaceAll("'", `'\\''`);
}

/** Makes an executor on a data directory. A second one on the same directory stands for a restarted daemon. */
export type MakeExecutor = (dataDirectory: string) => Executor;

/** The way to a machine, on which jobs go on without it. */
export interface Connection {
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** What the tests have to know of the machine that jobs run on. */
export interface Machine {
  /** A folder that the machine and the tests see at the same path. Default: that of this machine's temporary files. */
  shared?: () => string;
  /** Seconds that anything may take there. Default: 90. */
  patience?: number;
  /** Absent for this machine. */
  connection?: Connection;
  /** Whether a job that is cancelled is killed at once, before it could record its end. Default: it has its grace. */
  kills?: boolean;
}

/** An executor on folders of its own, new for each test. */
export class ExecutorPlace {
  /** For what jobs and tests write; the machine sees it at the same path. */
  folder = "";
  readonly patience: number;
  private readonly make: MakeExecutor;
  private readonly machine: Machine;
  private present: Executor | null = null;
  private attemptsRoot = "";

  constructor(make: MakeExecutor, machine: Machine) {
    this.make = make;
    this.machine = machine;
    this.patience = machine.patience ?? 90;
  }

  get executor(): Executor {
    if (this.present === null) throw new Error("no test has begun");
    return this.present;
  }

  /** The data directory of the executor. */
  get data(): string {
    return join(this.folder, "data");
  }

  async open(): Promise<void> {
    this.folder = mkdtempSync(join(this.machine.shared?.() ?? tmpdir(), "rigor executor '$x' "));
    this.present = this.make(this.data);
    this.attemptsRoot = await this.present.attemptsRoot();
  }

  async reopen(): Promise<void> {
    await this.executor.close();
    this.present = this.make(this.data);
  }

  async close(): Promise<void> {
    await this.executor.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The directory of a job on the machine. */
  directoryOf(handle: Handle): AttemptDirectory {
    return new AttemptDirectory(join(this.attemptsRoot, attemptPath(handle.run, handle.attempt)));
  }

  async submit(command: JobSpec["command"], more: Partial<JobSpec> = {}): Promise<Handle> {
    const [handle] = await this.executor.submit([makeJob(this.folder, command, more)]);
    if (handle === undefined) throw new Error("no handle");
    return handle;
  }

  async outputOf(handle: Handle) {
    const found = (await this.executor.collect([{ handle, offsets: fromTheStart }])).get(handle.attempt);
    if (found === undefined) throw new Error("nothing was collected");
    return { ...found, text: Buffer.from(found.stdout).toString(), errors: Buffer.from(found.stderr).toString() };
  }

  until<S extends JobStatus["state"]>(
    handle: Handle,
    state: S,
    seconds = this.patience,
  ): Promise<Extract<JobStatus, { state: S }>> {
    return untilState(this.executor, handle, state, seconds);
  }

  untilExists(path: string): Promise<void> {
    return untilExists(path, this.patience);
  }

  /** What the status of a job is that was cancelled while it ran. */
  cancelled(exit: Partial<ExitRecord> = {}): object {
    return this.machine.kills === true
      ? { state: "gone", withdrawn: true }
      : { state: "ended", exit: { reason: "cancelled", ...exit } };
  }

  async settled(handle: Handle): Promise<Extract<JobStatus, { state: "gone" | "ended" }>> {
    const deadline = performance.now() + this.patience * 1000;
    while (performance.now() < deadline) {
      const status = (await this.executor.status([handle])).get(handle.attempt);
      if (status?.state === "gone" || status?.state === "ended") return status;
      await sleep(10);
    }
    throw new Error(`${handle.attempt} did not end`);
  }
}

/** A place that is opened before each test of the suite that calls this, and closed after it. */
export function usePlace(make: MakeExecutor, machine: Machine = {}): ExecutorPlace {
  const place = new ExecutorPlace(make, machine);
  beforeEach(() => place.open());
  afterEach(() => place.close());
  return place;
}
