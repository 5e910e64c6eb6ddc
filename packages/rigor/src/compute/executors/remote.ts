import type { JobSpec } from "../attempt/job.ts";
import { pathOf, RemoteAttempts, type RemoteOptions } from "../remote/remote-attempts.ts";
import type { HostCapacity } from "../placement/resources.ts";
import type { Collected, Executor, Handle, JobStatus, KeptDirectory, Offsets } from "../executor.ts";

/** What executors share whose attempts lie on a host, and are copied to this machine. */
export abstract class RemoteExecutor implements Executor {
  abstract readonly kind: string;
  protected readonly attempts: RemoteAttempts;
  readonly #excludedGpus: readonly string[];
  readonly #listeners = new Set<(attempt: string) => void>();

  /** @param excludedGpus GPUs whose name contains one of these are left alone. */
  constructor(options: RemoteOptions, excludedGpus: readonly string[]) {
    this.attempts = new RemoteAttempts(options);
    this.attempts.onArrival((attempt) => this.notify(attempt));
    this.#excludedGpus = excludedGpus;
  }

  abstract submit(jobs: readonly JobSpec[]): Promise<Handle[]>;
  abstract status(handles: readonly Handle[]): Promise<Map<string, JobStatus>>;
  abstract withdraw(handle: Handle): Promise<boolean>;
  abstract cancel(handles: readonly Handle[]): Promise<void>;

  probe(): Promise<HostCapacity> {
    return this.attempts.probe(this.#excludedGpus);
  }

  async takeOver(handles: readonly Handle[]): Promise<void> {
    for (const handle of handles) this.attempts.copyOf(handle).create();
    await (await this.attempts.mirror()).recover(handles.map(pathOf));
  }

  async identity(): Promise<string> {
    return (await this.attempts.mirror()).identity();
  }

  async attemptsRoot(): Promise<string> {
    return (await this.attempts.mirror()).root;
  }

  withCheckpoints(handles: readonly Handle[]): Promise<Set<string>> {
    return this.attempts.withCheckpoints(handles);
  }

  bringCheckpoints(handle: Handle): Promise<void> {
    return this.attempts.bringCheckpoints(handle);
  }

  async keptDirectories(): Promise<KeptDirectory[]> {
    return (await this.attempts.mirror()).keptDirectories();
  }

  async removeDirectories(directories: readonly KeptDirectory[]): Promise<void> {
    await (await this.attempts.mirror()).remove(directories.map(({ path }) => path));
  }

  async collect(
    requests: readonly { handle: Handle; offsets: Offsets }[],
    limit?: number,
  ): Promise<Map<string, Collected>> {
    return this.attempts.collect(requests, limit);
  }

  onChange(listener: (attempt: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.attempts.close();
  }

  protected notify(attempt: string): void {
    for (const listener of this.#listeners) listener(attempt);
  }
}
