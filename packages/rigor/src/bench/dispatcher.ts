import { AttemptDirectory } from "../compute/attempt-directory.ts";
import type { Handle, JobStatus } from "../compute/executors/executor.ts";
import type { HostCapacity } from "../compute/resources.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../domain/records.ts";
import { concludeAttempt, type AttemptOutcome } from "../domain/rules/attempt-rules.ts";
import { budgetProblem, reference } from "../domain/rules/experiment-rules.ts";
import type { LoggedEvent, Transaction } from "../store/store.ts";
import { decodeRow } from "../store/tables.ts";
import { Budgets } from "./budgets.ts";
import { chooseRuns, type Candidate } from "./choice.ts";
import { jobOf } from "./job.ts";
import type { Lab } from "./lab.ts";
import { writeManifest } from "./manifest.ts";
import { MetricIngest } from "./metric-ingest.ts";
import { outcomeOf } from "./outcome.ts";
import { Preparation } from "./preparation.ts";
import { experimentById, experimentsInState, liveAttempts, runById } from "./queries.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { advanceExperiment } from "./advance.ts";

/** How often everything is looked at, whether or not something is known to have changed. */
const pollMs = 1_000;
/** How old the knowledge of the machine may be. */
const probeMs = 5_000;
/** Runs of one experiment that are started in one cycle, at most. */
const mostStarts = 64;
/** No run starts on a disk with less room than this: it would fail, and the log could not tell of it. */
const leastDisk = { bytes: 64 * 1024 * 1024, inodes: 256 };

/** An attempt that has not ended, with what is needed to conclude it. */
interface Live {
  attempt: AttemptRecord;
  run: RunRecord;
  experiment: ExperimentRecord;
  handle: Handle;
}

interface Ended {
  live: Live;
  outcome: AttemptOutcome;
}

/**
 * Drives runs: starts what may start, sees what ended, and asks what follows. One cycle at a time; each writes what
 * it concludes and what it intends in one transaction, and only then acts. After a crash the next daemon finds every
 * intention in the log and asks the executor, by the attempt's token, what became of it.
 */
export class Dispatcher {
  readonly #lab: Lab;
  readonly preparation: Preparation;
  readonly #budgets: Budgets;
  readonly #metrics: MetricIngest;
  readonly #live = new Map<string, Live>();
  readonly #queues = new Map<string, ReadyQueue>();
  #experiments: ExperimentRecord[] = [];
  #experimentsStale = true;
  /** Attempts that the executor says have changed. */
  readonly #changed = new Set<string>();
  readonly #unsubmitted = new Set<string>();
  readonly #submitted = new Set<string>();
  readonly #cancelling = new Set<string>();
  /** Experiments whose stage may be complete. */
  readonly #toAdvance = new Set<string>();
  #ended: Ended[] = [];
  #capacity: HostCapacity | null = null;
  #probedAt = 0;
  #polledAt = 0;
  #timer: NodeJS.Timeout | null = null;
  #cycle: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #ends: (() => void)[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
    this.preparation = new Preparation(lab);
    this.#budgets = new Budgets(lab.store.db);
    this.#metrics = new MetricIngest(lab);
  }

  /** Takes over everything that was under way, and begins. */
  async start(): Promise<void> {
    for (const attempt of await liveAttempts(this.#lab.store.db)) await this.#adopt(attempt);
    for (const experiment of await experimentsInState(this.#lab.store.db, ["running", "deciding"])) {
      this.#toAdvance.add(experiment.id);
    }
    this.#ends = [
      this.#lab.executor.onChange((attempt) => {
        this.#changed.add(attempt);
        this.wake();
      }),
      this.#lab.store.subscribe((events) => this.#hear(events)),
    ];
    this.#timer = setInterval(() => this.wake(), pollMs);
    this.wake();
  }

  /** Ends the cycles. Jobs go on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const end of this.#ends) end();
    await this.preparation.stop();
    await this.#cycle;
  }

  /** Runs a cycle soon. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#cycle !== null) {
      this.#again = true;
      return;
    }
    this.#cycle = this.#runCycles().finally(() => (this.#cycle = null));
  }

  get capacity(): HostCapacity | null {
    return this.#capacity;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** What holds the machine now. */
  leases(): { attempt_id: string; lease: AttemptRecord["lease"] }[] {
    return [...this.#live.values()].map(({ attempt }) => ({ attempt_id: attempt.id, lease: attempt.lease }));
  }

  async #adopt(attempt: AttemptRecord): Promise<void> {
    const { db } = this.#lab.store;
    const [run, experiment] = [await runById(db, attempt.run_id), await experimentById(db, attempt.experiment_id)];
    this.#live.set(attempt.id, { attempt, run, experiment, handle: handleOf(attempt) });
    if (run.state !== "active" || run.current_attempt !== attempt.id) this.#cancelling.add(attempt.id);
    else if (attempt.state === "queued" || attempt.state === "staging") this.#unsubmitted.add(attempt.id);
  }

  /** Events of others, and of this class, that change what may start or must be stopped. */
  #hear(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      if (event.kind.startsWith("experiment.")) {
        this.#experimentsStale = true;
        this.#queues.get(event.entity)?.invalidate();
        if (/\.(started|released|reopened|stage-started)$/.test(event.kind)) this.#toAdvance.add(event.entity);
      } else if (/^run\.(retried|requeued|released|held|cancelled)$/.test(event.kind)) {
        for (const queue of this.#queues.values()) queue.invalidate();
        for (const experiment of this.#experiments) this.#toAdvance.add(experiment.id);
        if (event.kind === "run.cancelled") this.#cancelAttemptsOf(event.entity);
      } else continue;
      this.wake();
    }
  }

  #cancelAttemptsOf(runId: string): void {
    for (const { attempt } of this.#live.values()) if (attempt.run_id === runId) this.#cancelling.add(attempt.id);
  }

  async #runCycles(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#runCycle();
      } catch (error) {
        // Nothing of this cycle is lost: what it saw is looked at again. A full disk ends here until there is room.
        this.#lab.log.error({ err: error }, "the cycle failed and is tried again");
        return;
      }
    } while (this.#again && !this.#stopped);
  }

  async #runCycle(): Promise<void> {
    const now = Date.now();
    const polling = performance.now() - this.#polledAt >= pollMs;
    if (polling) this.#polledAt = performance.now();
    await this.#refreshCapacity();
    await this.#refreshExperiments();
    await this.#observe(polling);
    const started = await this.#record(now);
    for (const live of started) this.#unsubmitted.add(live.attempt.id);
    await this.#submit();
    await this.#cancel();
    if (polling) await this.#metrics.ingest([...this.#live.values()].map((live) => live.handle));
    await this.#advance();
  }

  async #refreshCapacity(): Promise<void> {
    if (this.#capacity !== null && performance.now() - this.#probedAt < probeMs) return;
    this.#capacity = await this.#lab.executor.probe();
    this.#probedAt = performance.now();
  }

  async #refreshExperiments(): Promise<void> {
    if (!this.#experimentsStale) return;
    this.#experimentsStale = false;
    this.#experiments = await experimentsInState(this.#lab.store.db, ["running"]);
    const running = new Set(this.#experiments.map((one) => one.id));
    for (const id of this.#queues.keys()) if (!running.has(id)) this.#queues.delete(id);
    for (const { id } of this.#experiments) if (!this.#queues.has(id)) this.#queues.set(id, new ReadyQueue(id));
  }

  /** Asks the executor about the attempts that changed, or about all of them, and notes which have ended. */
  async #observe(all: boolean): Promise<void> {
    const ended = new Set(this.#ended.map((one) => one.live.attempt.id));
    const asked = [...this.#live.values()].filter(
      ({ attempt }) =>
        (all || this.#changed.has(attempt.id)) && !this.#unsubmitted.has(attempt.id) && !ended.has(attempt.id),
    );
    this.#changed.clear();
    if (asked.length === 0) return;
    const statuses = await this.#lab.executor.status(asked.map((live) => live.handle));
    const found = await Promise.all(asked.map((live) => this.#see(live, statuses.get(live.attempt.id))));
    this.#ended.push(...found.filter((one) => one !== null));
  }

  async #see(live: Live, status: JobStatus | undefined): Promise<Ended | null> {
    switch (status?.state) {
      case "unclaimed":
        this.#unsubmitted.add(live.attempt.id);
        return null;
      case "running":
        await this.#noteStart(live);
        return null;
      case "ended":
      case "gone": {
        await this.#metrics.ingest([live.handle]);
        return { live, outcome: await outcomeOf(live.attempt, live.experiment, status) };
      }
      default:
        return null;
    }
  }

  /** Records once that a job runs, and as which process. Jobs that end before the first look skip this. */
  async #noteStart(live: Live): Promise<void> {
    if (live.attempt.state === "running") return;
    const record = new AttemptDirectory(live.attempt.directory).readProcess();
    const process = record === null ? null : { pid: record.pid, started: record.started };
    const data = { process, started_at: new Date().toISOString() };
    await this.#lab.store.transact("daemon", async (transaction) => {
      await transaction.append([
        ...this.#submittedEvents([live.attempt.id]),
        { kind: "attempt.started", entity: live.attempt.id, data },
      ]);
    });
    this.#submitted.delete(live.attempt.id);
    live.attempt = { ...live.attempt, state: "running", process, started_at: data.started_at };
  }

  /** Writes, in one transaction, what ended and what will be started. Returns the attempts to start. */
  async #record(now: number): Promise<Live[]> {
    const ended = this.#ended;
    const submitted = [...this.#submitted];
    for (const { live, outcome } of ended) this.#writeManifest(live, outcome);
    const candidates = await this.#candidates(now, new Set(ended.map(({ live }) => live.attempt.id)));
    if (ended.length + submitted.length + candidates.length === 0) return [];
    let started: Live[] = [];
    try {
      started = await this.#lab.store.transact("daemon", async (transaction) => {
        const runs = await this.#runs(transaction, [
          ...ended.map(({ live }) => live.run.id),
          ...candidates.map((candidate) => candidate.runId),
        ]);
        const conclusions = ended.flatMap(({ live, outcome }) => {
          const run = runs.get(live.run.id);
          if (run === undefined) throw new Error(`attempt ${live.attempt.id} belongs to no run`);
          return concludeAttempt(run, live.attempt, outcome, live.experiment.definition.retry, now);
        });
        const next = candidates.flatMap((candidate) => this.#intent(candidate, runs.get(candidate.runId)));
        await transaction.append([
          ...this.#submittedEvents(submitted),
          ...conclusions,
          ...next.map(({ attempt }) => queuedEvent(attempt)),
        ]);
        return next;
      });
    } catch (error) {
      for (const candidate of candidates) this.#queues.get(candidate.experiment.id)?.invalidate();
      throw error;
    }
    for (const id of submitted) this.#submitted.delete(id);
    await this.#forget(ended);
    for (const live of started) this.#live.set(live.attempt.id, live);
    return started;
  }

  async #forget(ended: readonly Ended[]): Promise<void> {
    this.#ended = this.#ended.filter((one) => !ended.includes(one));
    for (const { live } of ended) {
      const { id } = live.attempt;
      this.#live.delete(id);
      for (const set of [this.#cancelling, this.#submitted, this.#unsubmitted]) set.delete(id);
      this.#metrics.forget(id);
    }
    await this.#noteAffected(ended.map(({ live }) => live.run.id));
  }

  /** Other experiments may wait for the same runs. */
  async #noteAffected(runIds: string[]): Promise<void> {
    const idle = this.#experiments.filter((one) => this.#queues.get(one.id)?.empty ?? true).map((one) => one.id);
    if (runIds.length === 0 || idle.length === 0) return;
    const rows = await this.#lab.store.db
      .selectFrom("placements")
      .select("experiment_id")
      .distinct()
      .where("run_id", "in", runIds)
      .where("experiment_id", "in", idle)
      .execute();
    for (const row of rows) this.#toAdvance.add(row.experiment_id);
  }

  #submittedEvents(ids: readonly string[]): DomainEvent[] {
    return ids
      .filter((id) => this.#submitted.has(id))
      .map((id): DomainEvent => ({ kind: "attempt.submitted", entity: id, data: {} }));
  }

  #writeManifest(live: Live, outcome: AttemptOutcome): void {
    const prepared = this.preparation.get(live.experiment.id);
    if (prepared === undefined || this.#capacity === null) return;
    const previous = live.attempt.number > 1 ? attemptId(live.run, live.attempt.number - 1) : null;
    const job = jobOf({ ...live, prepared, data: this.#lab.data, previous });
    writeManifest({ ...live, outcome, job, prepared, host: this.#capacity, version: this.#lab.version });
  }

  async #runs(transaction: Transaction, ids: readonly string[]): Promise<Map<string, RunRecord>> {
    const rows = await transaction.db.selectFrom("runs").selectAll().where("id", "in", ids).execute();
    return new Map(rows.map((row) => [row.id, decodeRow("runs", row)]));
  }

  async #submit(): Promise<void> {
    const jobs = [];
    for (const id of this.#unsubmitted) {
      const live = this.#live.get(id);
      if (live === undefined) {
        this.#unsubmitted.delete(id);
        continue;
      }
      const prepared = this.preparation.get(live.experiment.id);
      if (prepared === undefined) {
        this.#prepare(live.experiment);
        continue;
      }
      const previous = live.attempt.number > 1 ? attemptId(live.run, live.attempt.number - 1) : null;
      jobs.push(jobOf({ ...live, prepared, data: this.#lab.data, previous }));
    }
    if (jobs.length === 0) return;
    await this.#lab.executor.submit(jobs);
    for (const job of jobs) {
      this.#unsubmitted.delete(job.attempt);
      const live = this.#live.get(job.attempt);
      if (live?.attempt.state !== "queued") continue;
      live.attempt = { ...live.attempt, state: "submitted" };
      this.#submitted.add(job.attempt);
    }
  }

  async #cancel(): Promise<void> {
    const handles = [...this.#cancelling].flatMap((id) => this.#live.get(id)?.handle ?? []);
    if (handles.length === 0) return;
    this.#cancelling.clear();
    for (const handle of handles) this.#unsubmitted.delete(handle.attempt);
    await this.#lab.executor.cancel(handles);
  }

  /** Runs that may start now and fit, fairly over the experiments. */
  async #candidates(now: number, ended: ReadonlySet<string>): Promise<Candidate[]> {
    const capacity = this.#capacity;
    if (capacity === null || !hasRoom(capacity)) return [];
    const held = [...this.#live.values()].filter(({ attempt }) => !ended.has(attempt.id));
    const waiting = (await this.#startable(now)).map((experiment) => ({
      experiment,
      runIds: this.#queues.get(experiment.id)?.peek(mostStarts) ?? [],
      active: held.filter((live) => live.experiment.id === experiment.id).length,
    }));
    const { chosen, impossible } = chooseRuns(
      capacity,
      held.map(({ attempt }) => ({ attempt: attempt.id, ...attempt.lease })),
      waiting,
    );
    for (const candidate of chosen) this.#queues.get(candidate.experiment.id)?.drop(1);
    for (const { experiment, reason } of impossible) await this.#hold(experiment, "preparation", reason);
    return chosen;
  }

  /** Experiments that have runs to start, are prepared, and are inside their budget. */
  async #startable(now: number): Promise<ExperimentRecord[]> {
    const startable: ExperimentRecord[] = [];
    for (const experiment of this.#experiments) {
      const queue = this.#queues.get(experiment.id);
      if (queue === undefined) continue;
      await queue.refill(this.#lab.store.db, experiment, now);
      if (queue.empty) continue;
      const problem = await this.#overBudget(experiment, now);
      if (problem !== null) await this.#hold(experiment, "budget", problem);
      else if (this.preparation.get(experiment.id) === undefined) this.#prepare(experiment);
      else startable.push(experiment);
    }
    return startable;
  }

  async #overBudget(experiment: ExperimentRecord, now: number): Promise<string | null> {
    if (experiment.budget.gpu_hours === null && experiment.budget.wall === null) return null;
    const live = [...this.#live.values()].filter((one) => one.experiment.id === experiment.id);
    const usage = await this.#budgets.usage(
      experiment,
      live.map((one) => one.attempt),
      now,
    );
    return budgetProblem(experiment.budget, usage, experiment.definition.resources.gpus);
  }

  #prepare(experiment: ExperimentRecord): void {
    this.preparation.begin(experiment, (error) => {
      if (error === null) this.wake();
      else void this.#hold(experiment, "preparation", [error.message, error.next].filter(Boolean).join(" "));
    });
  }

  async #hold(experiment: ExperimentRecord, code: "budget" | "preparation", reason: string): Promise<void> {
    const name = reference(experiment);
    const release = code === "budget" ? `rigor release ${name} --wall 2h (or --gpu-hours 10)` : `rigor release ${name}`;
    await this.#lab.store.transact("daemon", async (transaction) => {
      const present = await experimentById(transaction.db, experiment.id);
      if (present.state !== "running") return;
      const data = { code, reason, options: [release, `rigor cancel ${name}`] };
      await transaction.append([{ kind: "experiment.held", entity: experiment.id, data }]);
    });
  }

  /** The attempt to record for a candidate; none if its run is no longer waiting. */
  #intent(candidate: Candidate, run: RunRecord | undefined): Live[] {
    if (run?.state !== "pending" || this.#capacity === null) return [];
    const number = run.attempts + 1;
    const id = attemptId(run, number);
    const { experiment, lease, compute } = candidate;
    const attempt: AttemptRecord = {
      id,
      run_id: run.id,
      experiment_id: experiment.id,
      number,
      state: "queued",
      compute,
      host: this.#capacity.host,
      directory: AttemptDirectory.in(this.#lab.data.root, run.id, id).path,
      lease,
      fence: 0,
      resources: experiment.definition.resources,
      process: null,
      exit: null,
      category: null,
      evidence: null,
      queued_at: "",
      started_at: null,
      finished_at: null,
      duration: null,
    };
    return [{ attempt, run, experiment, handle: handleOf(attempt) }];
  }

  /** Asks, for experiments whose runs may all have ended, what comes next. */
  async #advance(): Promise<void> {
    for (const id of [...this.#toAdvance]) {
      this.#toAdvance.delete(id);
      const queue = this.#queues.get(id);
      if (queue !== undefined && !queue.empty) continue;
      await advanceExperiment(this.#lab, id);
    }
  }
}

const attemptId = (run: RunRecord, number: number): string => `${run.id.slice(0, 16)}-${number}`;

const handleOf = (attempt: AttemptRecord): Handle => ({ attempt: attempt.id, run: attempt.run_id, reference: "" });

const hasRoom = (capacity: HostCapacity): boolean =>
  capacity.disk_free >= leastDisk.bytes && capacity.inodes_free >= leastDisk.inodes;

function queuedEvent(attempt: AttemptRecord): DomainEvent {
  const { id, run_id, experiment_id, number, compute, host, directory, lease, resources } = attempt;
  return {
    kind: "attempt.queued",
    entity: id,
    data: { run_id, experiment_id, number, compute, host, directory, lease, resources },
  };
}
