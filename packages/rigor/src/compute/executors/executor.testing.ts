import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach } from "vitest";
import { AttemptDirectory } from "../attempt-directory.ts";
import type { JobSpec } from "../job.ts";
import type { Executor, Handle, JobStatus, Offsets } from "./executor.ts";

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
    time_limit: 60,
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
  seconds = 20,
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

export async function untilExists(path: string, seconds = 20): Promise<void> {
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

/** An executor on a data directory of its own, new for each test. */
export class ExecutorPlace {
  folder = "";
  private readonly make: MakeExecutor;
  private present: Executor | null = null;

  constructor(make: MakeExecutor) {
    this.make = make;
  }

  get executor(): Executor {
    if (this.present === null) throw new Error("no test has begun");
    return this.present;
  }

  open(): void {
    this.folder = mkdtempSync(join(tmpdir(), "rigor executor '$x' "));
    this.present = this.make(this.folder);
  }

  async reopen(): Promise<void> {
    await this.executor.close();
    this.present = this.make(this.folder);
  }

  async close(): Promise<void> {
    await this.executor.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  directoryOf(handle: Handle): AttemptDirectory {
    return AttemptDirectory.in(this.folder, handle.run, handle.attempt);
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

  async settled(handle: Handle): Promise<Extract<JobStatus, { state: "gone" | "ended" }>> {
    for (let turn = 0; turn < 1500; turn++) {
      const status = (await this.executor.status([handle])).get(handle.attempt);
      if (status?.state === "gone" || status?.state === "ended") return status;
      await sleep(10);
    }
    throw new Error(`${handle.attempt} did not end`);
  }
}

/** A place that is opened before each test of the suite that calls this, and closed after it. */
export function usePlace(make: MakeExecutor): ExecutorPlace {
  const place = new ExecutorPlace(make);
  beforeEach(() => place.open());
  afterEach(() => place.close());
  return place;
}
