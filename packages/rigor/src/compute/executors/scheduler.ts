import { existsSync, writeFileSync } from "node:fs";
import type { HostShell } from "../../hosts/shell.ts";
import type { JobSpec } from "../attempt/job.ts";
import { pathOf, type RemoteOptions, type Seen } from "../remote/remote-attempts.ts";
import { BatchRecords, readBatch, type Place } from "../schedulers/batch-records.ts";
import type { CallKind, CallLine, CallsNow } from "../schedulers/call-line.ts";
import { Errand } from "../schedulers/errand.ts";
import { callingAs, MeteredShell } from "../schedulers/metered-shell.ts";
import { OpenAttempts, type OpenAttempt } from "../schedulers/open-attempts.ts";
import { SchedulerWords } from "../schedulers/scheduler-words.ts";
import type { Scheduler, SchedulerFacts } from "../schedulers/scheduler.ts";
import { Submission, unanswered } from "../schedulers/submission.ts";
import { endByFiles } from "../schedulers/two-witnesses.ts";
import type { Handle, JobStatus, Submitted } from "../executor.ts";
import { RemoteExecutor } from "./remote.ts";

export interface SchedulerExecutorOptions extends Omit<RemoteOptions, "scheduled"> {
  /** Makes the scheduler on a shell of which each script is a call. */
  scheduler: (shell: HostShell) => Scheduler;
  /** Where calls of the scheduler wait for their turn. */
  calls: CallLine;
}

/** Milliseconds for which what the scheduler allows is taken to stay so. */
const factsLifeMs = 600_000;

/**
 * Runs jobs through a scheduler on a host where its commands work, be it this machine. Two witnesses tell of a job: its
 * files how it ended, the scheduler whether it is still there. Neither alone proves that it is lost. What it probes is
 * that host.
 */
export class SchedulerExecutor extends RemoteExecutor {
  readonly kind: string;
  readonly #shell: HostShell;
  readonly #scheduler: Scheduler;
  readonly #calls: CallLine;
  readonly #closed = new AbortController();
  readonly #errands: Record<"submit" | "cancel" | "look", Errand>;
  readonly #records: BatchRecords;
  readonly #submission: Submission;
  readonly #open: OpenAttempts;
  #facts: { facts: SchedulerFacts; untilMs: number } | null = null;
  /** Attempts that are to end, and of which the scheduler has not been told. */
  readonly #toCancel = new Map<string, Handle>();

  /** @throws RigorError `storage` when the data directory cannot be written; `file-invalid` from the scheduler. */
  constructor({ scheduler, calls, ...options }: SchedulerExecutorOptions) {
    super({ ...options, scheduled: true }, []);
    this.#shell = options.shell;
    this.#calls = calls;
    this.#scheduler = scheduler(new MeteredShell(options.shell));
    this.kind = this.#scheduler.kind;
    this.#open = new OpenAttempts(new SchedulerWords(this.#scheduler));
    this.#records = new BatchRecords(options.dataDirectory, options.shell.host);
    const errand = (kind: CallKind) => new Errand(calls, kind, this.#closed.signal);
    this.#errands = { submit: errand("submit"), cancel: errand("cancel"), look: errand("look") };
    this.#submission = new Submission({
      scheduler: this.#scheduler,
      attempts: this.attempts,
      records: this.#records,
      errand: this.#errands.submit,
      host: options.shell.host,
      arrayLimit: () => this.#arrayLimit(),
      onSending: (attempt) => this.#forget(attempt),
    });
  }

  limitCalls(callsPerMinute: number): void {
    this.#calls.limit(this, callsPerMinute);
  }

  /** How it stands with the calls of the scheduler, and how many jobs wait to be submitted. */
  calls(): CallsNow & { jobs: number } {
    return { ...this.#calls.now(), jobs: this.#submission.size };
  }

  /** Waits for its calls as looks do. */
  facts(): Promise<SchedulerFacts> {
    const { signal } = this.#closed;
    return callingAs({ take: () => this.#calls.take("look", { signal }) }, () => this.#probe());
  }

  async #probe(): Promise<SchedulerFacts> {
    const facts = await this.#scheduler.probe();
    this.#facts = { facts, untilMs: performance.now() + factsLifeMs };
    return facts;
  }

  /**
   * Jobs that the scheduler refuses are gone, with its words, and the others are submitted, or wait until the scheduler
   * may be called. When it throws `unreachable`, repeating it is harmless.
   */
  async submit(jobs: readonly JobSpec[]): Promise<Submitted[]> {
    await this.#submission.submit(await this.#notAtTheScheduler(jobs));
    return jobs.flatMap(({ attempt, run }) => {
      const place = this.#submission.isWaiting(attempt) ? undefined : this.#records.find(attempt);
      return place === undefined ? [] : { attempt, run, ...this.#jobAt(place) };
    });
  }

  /** A submission may be repeated after a crash, or after one whose outcome is unknown. */
  async #notAtTheScheduler(jobs: readonly JobSpec[]): Promise<JobSpec[]> {
    const asked = jobs.filter(({ attempt }) => !this.#submission.isWaiting(attempt));
    const known = asked.filter(({ attempt }) => this.#records.find(attempt) !== undefined);
    if (known.length === 0) return asked;
    const statuses = await this.status(known).catch((error: unknown) => unanswered(error));
    return asked.filter((job) => !known.includes(job) || statuses.get(job.attempt)?.state === "unclaimed");
  }

  async #arrayLimit(): Promise<number> {
    const known = this.#facts;
    if (known !== null && performance.now() < known.untilMs) return known.facts.array_limit;
    return (await this.#probe().catch((error: unknown) => unanswered(error))).array_limit;
  }

  async status(handles: readonly Handle[]): Promise<Map<string, JobStatus>> {
    await this.#goOn();
    const statuses = new Map<string, JobStatus>();
    const unsubmitted = handles.filter(({ attempt }) => this.#submission.isWaiting(attempt));
    for (const { attempt } of unsubmitted) statuses.set(attempt, this.#unsubmitted());
    const submitted = handles.filter(({ attempt }) => !statuses.has(attempt));
    const doubted = submitted.filter(({ attempt }) => this.#open.isDoubted(attempt));
    if (doubted.length > 0) await (await this.attempts.mirror()).refresh(doubted.map(pathOf));
    const lookedMs = performance.now();
    const seen = await this.attempts.look(submitted);
    const open: OpenAttempt[] = [];
    for (const handle of submitted) {
      const sight = seen.get(handle.attempt);
      if (sight === undefined) continue;
      const place = this.#records.find(handle.attempt);
      const status = place === undefined ? withoutBatch(sight) : (refusal(place) ?? endByFiles(sight));
      if (status !== null) this.#conclude(statuses, handle, this.#told(handle, status), place);
      else if (place !== undefined) open.push(this.#openAttempt(handle, sight, place));
    }
    if (!(await this.#ask(open, statuses))) return statuses;
    for (const one of open) this.#conclude(statuses, one.handle, this.#open.judge(one, lookedMs), one.place);
    const gone = open.filter(({ handle }) => statuses.get(handle.attempt)?.state === "gone");
    if (gone.length > 0) await (await this.attempts.mirror()).discard(gone.map(({ handle }) => pathOf(handle)));
    return statuses;
  }

  /** Tells what failed while nobody listened, and tries again to end what is to end. */
  async #goOn(): Promise<void> {
    this.#errands.submit.tell();
    if (this.#toCancel.size > 0) await this.#errands.cancel.pursue(() => this.#cancelAtTheScheduler());
  }

  #unsubmitted(): JobStatus {
    const { per_minute } = this.#calls.now();
    const reason = `not submitted yet: calls_per_minute allows ${per_minute === 1 ? "1 call" : `${per_minute} calls`}`;
    return { state: "unsubmitted", reason };
  }

  /** A job that was withdrawn is over when its scheduler has been told: it would keep its place in the queue. */
  #told({ attempt }: Handle, status: JobStatus): JobStatus {
    const isEarly = status.state === "gone" && status.withdrawn && this.#toCancel.has(attempt);
    return isEarly ? { state: "waiting", reason: null, held: false } : status;
  }

  /** False when the scheduler does not answer, and ends are to be told nevertheless: it is asked again soon. */
  async #ask(open: readonly OpenAttempt[], statuses: ReadonlyMap<string, JobStatus>): Promise<boolean> {
    for (const one of open) this.#open.note(one);
    try {
      await this.#errands.look.pursue(() => this.#open.ask());
      return true;
    } catch (error) {
      const ends = [...statuses.values()].some(({ state }) => state === "ended" || state === "gone");
      if (ends) return false;
      throw error;
    }
  }

  #openAttempt(handle: Handle, seen: Seen, place: Place): OpenAttempt {
    const isCancelled = () => existsSync(this.attempts.copyOf(handle).cancel);
    return { handle, seen, place, isCancelled };
  }

  #conclude(
    statuses: Map<string, JobStatus>,
    { attempt }: Pick<Handle, "attempt">,
    status: JobStatus,
    place?: Place,
  ): void {
    statuses.set(attempt, { ...status, ...this.#jobAt(place) });
    if (status.state === "ended" || status.state === "gone") this.#forget(attempt);
  }

  override async takeOver(handles: readonly Handle[]): Promise<void> {
    this.#calls.supposeCalls();
    await super.takeOver(handles);
    const wanted = new Set(handles.map(({ attempt }) => attempt));
    const records = (await (await this.attempts.mirror()).batchContents()).flatMap(
      ({ folder, contents }) => readBatch(contents, this.#shell.host, folder) ?? [],
    );
    for (const record of records.toSorted((a, b) => a.recorded_at - b.recorded_at)) {
      if (record.members.some(({ attempt }) => wanted.has(attempt))) this.#records.add(record);
    }
  }

  async withdraw(handle: Handle): Promise<boolean> {
    await this.#submission.takeBack([handle.attempt]);
    const withdrawn = await (await this.attempts.mirror()).withdraw([pathOf(handle)]);
    if (withdrawn.length > 0) await this.#endAtTheScheduler([handle]);
    return withdrawn.length > 0;
  }

  async cancel(handles: readonly Handle[]): Promise<void> {
    for (const handle of handles) {
      const copy = this.attempts.copyOf(handle);
      copy.create();
      writeFileSync(copy.cancel, "", { mode: 0o600 });
    }
    await this.#submission.takeBack(handles.map(({ attempt }) => attempt));
    await (await this.attempts.mirror()).cancel(handles.map(pathOf));
    await this.#endAtTheScheduler(handles);
  }

  async #endAtTheScheduler(handles: readonly Handle[]): Promise<void> {
    for (const handle of handles) this.#toCancel.set(handle.attempt, handle);
    await this.#errands.cancel.pursue(() => this.#cancelAtTheScheduler());
  }

  async #cancelAtTheScheduler(): Promise<void> {
    while (this.#toCancel.size > 0) {
      if ([...this.#toCancel.keys()].some((attempt) => this.#records.find(attempt) !== undefined))
        await this.#errands.cancel.ready();
      const attempts = [...this.#toCancel.keys()];
      const places = attempts.flatMap((attempt) => this.#records.find(attempt) ?? []);
      const members = places.map(({ batch, index }) => ({ member: { batch: batch.name, index }, id: batch.id }));
      if (members.length > 0) await this.#scheduler.cancel(members);
      for (const attempt of attempts) this.#toCancel.delete(attempt);
      for (const attempt of attempts) this.notify(attempt);
    }
  }

  /** Nothing that waits here is submitted any more: another daemon does that. */
  leave(): void {
    this.#submission.clear();
    this.#toCancel.clear();
  }

  override async close(): Promise<void> {
    this.#closed.abort();
    this.#calls.leave(this);
    await super.close();
    await Promise.all(Object.values(this.#errands).map((errand) => errand.settle()));
  }

  #jobAt(place: Place | undefined): Pick<Submitted, "job"> {
    if (place === undefined || place.batch.id === null) return {};
    const { id, members } = place.batch;
    return { job: this.#scheduler.memberId({ id, size: members.length }, place.index) };
  }

  #forget(attempt: string): void {
    this.#open.forget(attempt);
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
