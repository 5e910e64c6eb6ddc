import type { JobSpec } from "../attempt/job.ts";
import { pathOf, type RemoteOptions, type Seen } from "../remote/remote-attempts.ts";
import type { Handle, JobStatus } from "../executor.ts";
import { RemoteExecutor } from "./remote.ts";

export interface SshExecutorOptions extends RemoteOptions {
  /** GPUs whose name contains one of these are left alone. */
  excludedGpus: readonly string[];
}

/** Milliseconds after which a job that was told to end is killed: longer than any grace. */
const cancelPatience = 30_000;

/** Milliseconds in which a job that has claimed its attempt says which process it is; usually it takes none. */
const claimPatience = 20_000;

/**
 * Runs jobs on a host through its shell. A job there is a session of its own that outlives the connection; what it
 * writes is copied to this machine.
 */
export class SshExecutor extends RemoteExecutor {
  readonly kind = "ssh";
  /** Seen dead without a record, once: the record may have been written between two looks. */
  readonly #dying = new Set<string>();
  /** Attempt -> when it was told to end, by a clock that never jumps. */
  readonly #cancelled = new Map<string, number>();
  /** Attempt -> since when it is claimed by nobody who says so, and whether it is forbidden to start by now. */
  readonly #nameless = new Map<string, { since: number; isForbidden: boolean }>();

  constructor({ excludedGpus, ...options }: SshExecutorOptions) {
    super(options, excludedGpus);
  }

  async submit(jobs: readonly JobSpec[]): Promise<Handle[]> {
    const paths = await this.attempts.write(jobs);
    await (await this.attempts.mirror()).start(paths);
    return jobs.map(({ attempt, run }) => ({ attempt, run }));
  }

  async status(handles: readonly Handle[]): Promise<Map<string, JobStatus>> {
    const seen = await this.attempts.look(handles);
    const statuses = new Map<string, JobStatus>();
    const remains: string[] = [];
    const over: string[] = [];
    for (const handle of handles) {
      const sight = seen.get(handle.attempt);
      if (sight === undefined) continue;
      const status = this.#statusOf(handle.attempt, sight);
      statuses.set(handle.attempt, status);
      if (status.state === "gone" || this.#isOverdue(handle.attempt)) remains.push(pathOf(handle));
      if (status.state === "gone" || status.state === "ended") over.push(pathOf(handle));
    }
    const mirror = await this.attempts.mirror();
    if (remains.length > 0) await mirror.kill(remains);
    if (over.length > 0) await mirror.endLeftBehind(over);
    await this.#forbidNameless(handles);
    return statuses;
  }

  /**
   * A script that died, or whose host did, between its claim and the record of its process leaves nothing that could be
   * looked for. It is told to start nothing, and what still says nothing after that is over.
   */
  async #forbidNameless(handles: readonly Handle[]): Promise<void> {
    const due = handles.flatMap((handle) => {
      const nameless = this.#nameless.get(handle.attempt);
      const isDue = nameless?.isForbidden === false && performance.now() - nameless.since > claimPatience;
      return isDue ? [{ path: pathOf(handle), nameless }] : [];
    });
    if (due.length === 0) return;
    await (await this.attempts.mirror()).discard(due.map(({ path }) => path));
    for (const { nameless } of due) nameless.isForbidden = true;
  }

  #statusOf(attempt: string, seen: Seen): JobStatus {
    switch (seen.state) {
      case "missing":
      case "unclaimed":
        return { state: "unclaimed" };
      case "withdrawn":
        return { state: "gone", withdrawn: true };
      case "arriving":
        return { state: "running", beat_at: null };
      case "ended":
        this.#forget(attempt);
        return { state: "ended", exit: seen.exit };
      default:
        return this.#statusOfProcess(attempt, seen);
    }
  }

  #statusOfProcess(attempt: string, { witness, beat_at }: Extract<Seen, { state: "claimed" }>): JobStatus {
    if (witness === "unknown") return this.#statusOfNameless(attempt);
    this.#nameless.delete(attempt);
    if (witness !== "dead" && witness !== "rebooted") {
      this.#dying.delete(attempt);
      return { state: "running", beat_at };
    }
    if (!this.#dying.has(attempt)) {
      this.#dying.add(attempt);
      return { state: "running", beat_at };
    }
    this.#forget(attempt);
    const evidence =
      witness === "rebooted"
        ? "The host was started anew while it ran."
        : "Its process died without a record of its end.";
    return { state: "gone", withdrawn: false, beat_at, category: "node-failure", evidence };
  }

  #statusOfNameless(attempt: string): JobStatus {
    const nameless = this.#nameless.get(attempt) ?? { since: performance.now(), isForbidden: false };
    this.#nameless.set(attempt, nameless);
    if (!nameless.isForbidden) return { state: "running", beat_at: null };
    this.#forget(attempt);
    const evidence = "Its script died before it could start the run, or the host was started anew.";
    return { state: "gone", withdrawn: false, category: "node-failure", evidence };
  }

  #isOverdue(attempt: string): boolean {
    const since = this.#cancelled.get(attempt);
    return since !== undefined && performance.now() - since > cancelPatience;
  }

  async withdraw(handle: Handle): Promise<boolean> {
    return (await (await this.attempts.mirror()).withdraw([pathOf(handle)])).length > 0;
  }

  async cancel(handles: readonly Handle[]): Promise<void> {
    const withdrawn = new Set(await (await this.attempts.mirror()).cancel(handles.map(pathOf)));
    for (const handle of handles) {
      if (withdrawn.has(pathOf(handle))) this.notify(handle.attempt);
      else this.#cancelled.set(handle.attempt, performance.now());
    }
  }

  #forget(attempt: string): void {
    this.#dying.delete(attempt);
    this.#cancelled.delete(attempt);
    this.#nameless.delete(attempt);
    this.attempts.forget(attempt);
  }
}
