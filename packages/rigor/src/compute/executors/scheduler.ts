import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import type { HostShell } from "../../hosts/shell.ts";
import { RigorError } from "../../domain/errors.ts";
import type { JobSpec } from "../job.ts";
import { pathOf, type RemoteOptions, type Seen } from "../remote/remote-attempts.ts";
import { type BatchRecord, BatchRecords, type Place } from "../schedulers/batch-records.ts";
import { allocationOf, groupJobs, memberScript, silenceOf } from "../schedulers/batches.ts";
import { CallBudget, MeteredShell } from "../schedulers/call-budget.ts";
import { SchedulerWords } from "../schedulers/scheduler-words.ts";
import { memberKey, type Scheduler, type SchedulerFacts } from "../schedulers/scheduler.ts";
import { endByFiles, finalStatus, isOver, presentStatus } from "../schedulers/two-witnesses.ts";
import type { Handle, JobStatus } from "./executor.ts";
import { RemoteExecutor } from "./remote.ts";

export interface SchedulerExecutorOptions extends Omit<RemoteOptions, "scheduled"> {
  /** Makes the scheduler on a shell that counts its calls. */
  scheduler: (shell: HostShell) => Scheduler;
  /** Calls of the scheduler's commands, at most: looks wait. */
  callsPerMinute: number;
}

/** Milliseconds for which what the scheduler allows is taken to stay so. */
const factsLifeMs = 600_000;

/** An attempt whose files show no end. */
interface Open {
  handle: Handle;
  seen: Seen;
  place: Place;
}

/**
 * Runs jobs through a scheduler on a host where its commands work, be it this machine. Two witnesses tell of a job: its
 * files how it ended, the scheduler whether it is still there. Neither alone proves that it is lost. What it probes is
 * that host.
 */
export class SchedulerExecutor extends RemoteExecutor {
  readonly kind: string;
  readonly #shell: HostShell;
  readonly #scheduler: Scheduler;
  readonly #records: BatchRecords;
  readonly #words: SchedulerWords;
  #facts: { facts: SchedulerFacts; untilMs: number } | null = null;
  /** Attempts that were asked about and are not over, with the batches that the scheduler is asked about. */
  readonly #open = new Map<string, BatchRecord>();
  /** When an attempt was first seen to be claimed. */
  readonly #claimedMs = new Map<string, number>();
  /** Attempts that the scheduler does not execute: since when it says so and nothing shows the contrary. */
  readonly #doubts = new Map<string, { sinceMs: number; beat: number | null }>();

  /** @throws RigorError `storage` when the data directory cannot be written; `file-invalid` from the scheduler. */
  constructor({ scheduler, callsPerMinute, ...options }: SchedulerExecutorOptions) {
    super({ ...options, scheduled: true }, []);
    this.#shell = options.shell;
    const budget = new CallBudget(callsPerMinute);
    this.#scheduler = scheduler(new MeteredShell(options.shell, budget));
    this.kind = this.#scheduler.kind;
    this.#words = new SchedulerWords(this.#scheduler, budget);
    this.#records = new BatchRecords(options.dataDirectory, options.shell.host);
  }

  async facts(): Promise<SchedulerFacts> {
    const facts = await this.#scheduler.probe();
    this.#facts = { facts, untilMs: performance.now() + factsLifeMs };
    return facts;
  }

  /**
   * Jobs that the scheduler refuses are gone, with its words, and the others are submitted. When it throws `unreachable`,
   * repeating it is harmless.
   */
  async submit(jobs: readonly JobSpec[]): Promise<Handle[]> {
    const waiting = await this.#notAtTheScheduler(jobs);
    if (waiting.length > 0) {
      await this.attempts.write(waiting);
      await (await this.attempts.mirror()).removeBatches(this.#records.takeForgotten());
      for (const group of groupJobs(waiting, await this.#arrayLimit())) await this.#submitBatch(group);
    }
    return jobs.map((job) => this.#handleOf(job));
  }

  /** A submission may be repeated after a crash, or after one whose outcome is unknown. */
  async #notAtTheScheduler(jobs: readonly JobSpec[]): Promise<JobSpec[]> {
    const known = jobs.filter(({ attempt }) => this.#records.find(attempt) !== undefined);
    if (known.length === 0) return [...jobs];
    const statuses = await this.status(known.map(this.#handleOf)).catch((error: unknown) => unanswered(error));
    return jobs.filter((job) => !known.includes(job) || statuses.get(job.attempt)?.state === "unclaimed");
  }

  async #arrayLimit(): Promise<number> {
    const known = this.#facts;
    if (known !== null && performance.now() < known.untilMs) return known.facts.array_limit;
    return (await this.facts().catch((error: unknown) => unanswered(error))).array_limit;
  }

  async #submitBatch(jobs: readonly [JobSpec, ...JobSpec[]]): Promise<void> {
    const mirror = await this.attempts.mirror();
    const name = `rigor-${randomBytes(5).toString("hex").slice(0, 9)}`;
    const heartbeat = Math.max(...jobs.map((job) => job.heartbeat));
    const folder = await mirror.writeBatch(name, memberScript(mirror.root, jobs.map(pathOf), heartbeat));
    const members = jobs.map(({ run, attempt }) => ({ run, attempt }));
    const about = { name, host: this.#shell.host, folder, recorded_at: Date.now(), heartbeat, members };
    const record: BatchRecord = { ...about, id: null, refused: null };
    this.#records.add(record);
    for (const { attempt } of jobs) this.#forget(attempt);
    const batch = { name, size: jobs.length, script: `${folder}/member.sh`, directory: folder };
    try {
      this.#records.learn(record, await this.#scheduler.submit({ ...batch, allocation: allocationOf(jobs[0]) }));
    } catch (error) {
      await this.#refused(record, error);
    }
  }

  /**
   * Schedulers take jobs and then fail to say so: a batch is refused when the scheduler has not got it. Should it come
   * late, it finds all its attempts taken.
   *
   * @throws RigorError `unreachable` when nothing is certain
   */
  async #refused(record: BatchRecord, error: unknown): Promise<void> {
    if (!isWordOfScheduler(error)) throw error;
    const { name, members, id } = record;
    const asked = [{ name, size: members.length, id }];
    const reports = await this.#scheduler.report(asked).catch(() => unanswered(error));
    if ([...reports.values()].some(({ state }) => state !== "ended")) return;
    await (await this.attempts.mirror()).withdraw(members.map(pathOf));
    this.#records.refuse(record, [error.message, error.next].filter((part) => part !== undefined).join(" "));
  }

  async status(handles: readonly Handle[]): Promise<Map<string, JobStatus>> {
    const doubted = handles.filter(({ attempt }) => this.#doubts.has(attempt));
    if (doubted.length > 0) await (await this.attempts.mirror()).refresh(doubted.map(pathOf));
    const lookedMs = performance.now();
    const seen = await this.attempts.look(handles);
    const statuses = new Map<string, JobStatus>();
    const open: Open[] = [];
    for (const handle of handles) {
      const sight = seen.get(handle.attempt);
      if (sight === undefined) continue;
      const place = this.#records.find(handle.attempt);
      const status = place === undefined ? withoutBatch(sight) : (refusal(place) ?? endByFiles(sight));
      if (status !== null) this.#conclude(statuses, handle, status);
      else if (place !== undefined) open.push({ handle, seen: sight, place });
    }
    if (!(await this.#ask(open, statuses))) return statuses;
    for (const one of open) this.#conclude(statuses, one.handle, this.#judge(one, lookedMs));
    const gone = open.filter(({ handle }) => statuses.get(handle.attempt)?.state === "gone");
    if (gone.length > 0) await (await this.attempts.mirror()).discard(gone.map(({ handle }) => pathOf(handle)));
    return statuses;
  }

  /** False when the scheduler does not answer, and ends are to be told nevertheless: it is asked again soon. */
  async #ask(open: readonly Open[], statuses: ReadonlyMap<string, JobStatus>): Promise<boolean> {
    for (const { handle, place } of open) this.#open.set(handle.attempt, place.batch);
    try {
      await this.#words.ask([...new Set(this.#open.values())]);
      return true;
    } catch (error) {
      const ends = [...statuses.values()].some(({ state }) => state === "ended" || state === "gone");
      if (ends) return false;
      throw error;
    }
  }

  /** What follows from both witnesses. An end is certain when the files, looked at after the scheduler's word, show none. */
  #judge({ handle, seen, place }: Open, lookedMs: number): JobStatus {
    const { attempt } = handle;
    const { word, atMs } = this.#words.of(place);
    if (seen.state === "claimed" && !this.#claimedMs.has(attempt)) this.#claimedMs.set(attempt, lookedMs);
    if (!isOver(word)) {
      this.#doubts.delete(attempt);
      // A job that was waiting when the scheduler was asked may have started since.
      const outdated = atMs < (this.#claimedMs.get(attempt) ?? 0);
      return presentStatus(seen, outdated ? { state: "unasked" } : word);
    }
    const beat = seen.state === "claimed" ? seen.beat_at : null;
    const lives = seen.state === "claimed" && seen.witness === "alive";
    const doubt = this.#doubts.get(attempt);
    if (doubt === undefined || doubt.beat !== beat || lives) {
      this.#doubts.set(attempt, { sinceMs: performance.now(), beat });
    } else if (lookedMs - doubt.sinceMs >= silenceOf(place.batch.heartbeat) * 1000) {
      const { id, folder, host } = place.batch;
      const cancelled = existsSync(this.attempts.copyOf(handle).cancel);
      return finalStatus(seen, word, { submitted: id !== null, cancelled, where: `in ${folder} on ${host}` });
    }
    return presentStatus(seen, { state: "unasked" });
  }

  #conclude(statuses: Map<string, JobStatus>, { attempt }: Handle, status: JobStatus): void {
    statuses.set(attempt, status);
    if (status.state === "ended" || status.state === "gone") this.#forget(attempt);
  }

  async withdraw(handle: Handle): Promise<boolean> {
    const withdrawn = await (await this.attempts.mirror()).withdraw([pathOf(handle)]);
    if (withdrawn.length > 0) await this.#cancelAtTheScheduler([handle]);
    return withdrawn.length > 0;
  }

  async cancel(handles: readonly Handle[]): Promise<void> {
    for (const handle of handles) {
      const copy = this.attempts.copyOf(handle);
      copy.create();
      writeFileSync(copy.cancel, "", { mode: 0o600 });
    }
    const withdrawn = new Set(await (await this.attempts.mirror()).cancel(handles.map(pathOf)));
    await this.#cancelAtTheScheduler(handles);
    for (const handle of handles) if (withdrawn.has(pathOf(handle))) this.notify(handle.attempt);
  }

  async #cancelAtTheScheduler(handles: readonly Handle[]): Promise<void> {
    const places = handles.flatMap(({ attempt }) => this.#records.find(attempt) ?? []);
    const members = places.map(({ batch, index }) => ({ member: { batch: batch.name, index }, id: batch.id }));
    if (members.length > 0) await this.#scheduler.cancel(members);
  }

  readonly #handleOf = ({ attempt, run }: Pick<Handle, "attempt" | "run">): Handle => {
    const place = this.#records.find(attempt);
    const reference = place === undefined ? "" : memberKey({ batch: place.batch.name, index: place.index });
    return { attempt, run, reference };
  };

  #forget(attempt: string): void {
    this.#open.delete(attempt);
    this.#claimedMs.delete(attempt);
    this.#doubts.delete(attempt);
    this.attempts.forget(attempt);
  }
}

/** The status of an attempt that was never given to the scheduler, as far as this machine knows. */
function withoutBatch(seen: Seen): JobStatus {
  if (seen.state === "claimed") return { state: "running", beat_at: seen.beat_at };
  return endByFiles(seen) ?? { state: "unclaimed" };
}

function refusal({ batch: { refused } }: Place): JobStatus | null {
  return refused === null ? null : { state: "gone", withdrawn: false, category: "submission", evidence: refused };
}

const isWordOfScheduler = (error: unknown): error is RigorError =>
  error instanceof RigorError && error.code === "scheduler";

/** What a scheduler says while it submits nothing, such as that its controller is down, is no refusal of a job. */
function unanswered(error: unknown): never {
  if (!isWordOfScheduler(error)) throw error;
  throw new RigorError("unreachable", error.message, { next: error.next, cause: error });
}
