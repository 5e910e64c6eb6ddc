import { AttemptDirectory } from "../compute/attempt-directory.ts";
import type { HostCapacity } from "../compute/resources.ts";
import { RigorError } from "../domain/errors.ts";
import type { DomainEvent } from "../domain/events/registry.ts";
import type { AttemptRecord, ExperimentRecord, HoldCode, RunRecord } from "../domain/records.ts";
import { concludeAttempt } from "../domain/rules/attempt-rules.ts";
import { budgetProblem, reference } from "../domain/rules/experiment-rules.ts";
import type { LoggedEvent, Transaction } from "../store/store.ts";
import { decodeRow } from "../store/tables.ts";
import { advanceExperiment } from "./advance.ts";
import { Budgets } from "./budgets.ts";
import { chooseRuns, type Candidate } from "./choice.ts";
import { holdWithoutCommand } from "./command-hold.ts";
import type { Lab } from "./lab.ts";
import { attemptId, LiveAttempts, type Ended, type Live } from "./live-attempts.ts";
import { writeManifest } from "./manifest.ts";
import { Preparation } from "./preparation.ts";
import { experimentById, experimentsInState } from "./queries.ts";
import { ReadyQueue } from "./ready-queue.ts";

/** How often everything is looked at, whether or not something is known to have changed. */
const pollMs = 1_000;
/** How old the knowledge of the machine may be. */
const probeMs = 5_000;
/** Runs of one experiment that are started in one cycle, at most. */
const mostStarts = 64;
/** No run starts on a disk with less room than this: it would fail, and the log could not tell of it. */
const leastDisk = { bytes: 64 * 1024 * 1024, inodes: 256 };

/**
 * Drives runs: starts what may start, sees what ended, and asks what follows. One cycle at a time; each writes what
 * it concludes and what it intends in one transaction, and only then acts. After a crash the next daemon finds every
 * intention in the log and asks the executor, by the attempt's token, what became of it.
 */
export class Dispatcher {
  readonly preparation: Preparation;
  readonly #lab: Lab;
  readonly #attempts: LiveAttempts;
  readonly #budgets: Budgets;
  readonly #queues = new Map<string, ReadyQueue>();
  #experiments: ExperimentRecord[] = [];
  #experimentsStale = true;
  /** Experiments whose stage may be complete. */
  readonly #toAdvance = new Set<string>();
  #capacity: HostCapacity | null = null;
  #probedAt = Number.NEGATIVE_INFINITY;
  #polledAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #cycle: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #ends: (() => void)[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
    this.preparation = new Preparation(lab);
    this.#attempts = new LiveAttempts(lab, this.preparation, () => this.wake());
    this.#budgets = new Budgets(lab.store.db);
  }

  /** Takes over everything that was under way, and begins. */
  async start(): Promise<void> {
    await this.#attempts.adopt();
    for (const experiment of await experimentsInState(this.#lab.store.db, ["running"])) {
      this.#toAdvance.add(experiment.id);
    }
    this.#ends = [
      this.#lab.executor.onChange((attempt) => {
        this.#attempts.noteChange(attempt);
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
    await this.#attempts.settle();
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

  /** The machine as it was last looked at; null before the first time. */
  get capacity(): HostCapacity | null {
    return this.#capacity;
  }

  get liveCount(): number {
    return this.#attempts.size;
  }

  /** What holds the machine now. */
  leases(): { attempt_id: string; lease: AttemptRecord["lease"] }[] {
    return this.#attempts.holding().map(({ attempt }) => ({ attempt_id: attempt.id, lease: attempt.lease }));
  }

  /** Events of others, and of this class, that change what may start or must be stopped. */
  #hear(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      if (event.kind.startsWith("experiment.")) {
        this.#experimentsStale = true;
        this.#queues.get(event.entity)?.invalidate();
        if (event.kind === "experiment.released") this.preparation.forgive(event.entity);
        if (/\.(started|released|reopened|stage-started)$/.test(event.kind)) this.#toAdvance.add(event.entity);
      } else if (/^run\.(retried|requeued|released|held|cancelled)$/.test(event.kind)) {
        for (const queue of this.#queues.values()) queue.invalidate();
        for (const experiment of this.#experiments) this.#toAdvance.add(experiment.id);
        if (event.kind === "run.cancelled") this.#attempts.cancelRun(event.entity);
      } else continue;
      this.wake();
    }
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
    // Epoch milliseconds by a clock that never jumps, so that pauses between attempts have their length.
    const now = performance.timeOrigin + performance.now();
    const polling = performance.now() - this.#polledAt >= pollMs;
    if (polling) this.#polledAt = performance.now();
    const capacity = await this.#presentCapacity();
    await this.#refreshExperiments();
    await this.#attempts.observe(polling);
    await this.#record(capacity, now);
    await this.#attempts.submit((experiment) => this.#isPrepared(experiment));
    await this.#attempts.cancel();
    if (polling) await this.#attempts.ingestMetrics();
    await this.#advance();
  }

  async #presentCapacity(): Promise<HostCapacity> {
    if (this.#capacity === null || performance.now() - this.#probedAt >= probeMs) {
      this.#capacity = await this.#lab.executor.probe();
      this.#probedAt = performance.now();
    }
    return this.#capacity;
  }

  async #refreshExperiments(): Promise<void> {
    if (!this.#experimentsStale) return;
    this.#experimentsStale = false;
    this.#experiments = await experimentsInState(this.#lab.store.db, ["running"]);
    const running = new Set(this.#experiments.map((one) => one.id));
    for (const id of this.#queues.keys()) if (!running.has(id)) this.#queues.delete(id);
    for (const { id } of this.#experiments) if (!this.#queues.has(id)) this.#queues.set(id, new ReadyQueue(id));
  }

  /** Writes, in one transaction, what was seen and what will be started. */
  async #record(capacity: HostCapacity, now: number): Promise<void> {
    const news = this.#attempts.news();
    for (const ended of news.ended) this.#writeManifest(ended, capacity);
    const candidates = await this.#candidates(capacity, now);
    if (news.events.length + news.ended.length + candidates.length === 0) return;
    let intended: Live[];
    try {
      intended = await this.#lab.store.transact("daemon", async (transaction) => {
        const runs = await readRuns(transaction, [
          ...news.ended.map(({ live }) => live.run.id),
          ...candidates.map((candidate) => candidate.runId),
        ]);
        const conclusions = news.ended.flatMap((ended) => conclude(ended, runs, now));
        const next = candidates.flatMap((candidate) => intend(candidate, runs, capacity.host, this.#lab.data.root));
        await transaction.append([...news.events, ...conclusions, ...next.map(({ attempt }) => queuedEvent(attempt))]);
        await holdWithoutCommand(
          transaction,
          news.ended.map(({ live, outcome }) => ({ experiment_id: live.experiment.id, exit: outcome.exit })),
        );
        return next;
      });
    } catch (error) {
      for (const candidate of candidates) this.#queues.get(candidate.experiment.id)?.invalidate();
      throw error;
    }
    this.#attempts.written(news);
    this.#attempts.add(intended);
    // A candidate that another experiment ran in the meantime may have been the last that this one waited for.
    const starting = new Set(intended.map(({ run }) => run.id));
    for (const { runId, experiment } of candidates) if (!starting.has(runId)) this.#toAdvance.add(experiment.id);
    await this.#noteAffected(news.ended.map(({ live }) => live.run.id));
  }

  #writeManifest({ live, outcome }: Ended, host: HostCapacity): void {
    const prepared = this.preparation.get(live.experiment.id) ?? null;
    writeManifest({ ...live, outcome, prepared, host, version: this.#lab.version });
  }

  /** Experiments without anything to start may have waited for one of these runs. */
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

  /** Runs that may start now and fit, fairly over the experiments. */
  async #candidates(capacity: HostCapacity, now: number): Promise<Candidate[]> {
    if (!hasRoom(capacity)) return [];
    const holding = this.#attempts.holding();
    // A run whose last attempt is still being ended waits until that is over.
    const ending = new Set(holding.map(({ run }) => run.id));
    const waiting = (await this.#startable(now)).map((experiment) => ({
      experiment,
      runIds: (this.#queues.get(experiment.id)?.peek(mostStarts + ending.size) ?? []).filter((id) => !ending.has(id)),
      active: holding.filter((live) => live.experiment.id === experiment.id).length,
    }));
    const held = holding.map(({ attempt, experiment }) => {
      return { attempt: attempt.id, ...attempt.lease, repository: experiment.source.repository };
    });
    const { chosen, impossible } = chooseRuns(capacity, held, waiting);
    for (const candidate of chosen) this.#queues.get(candidate.experiment.id)?.take(candidate.runId);
    for (const { experiment, reason } of impossible) await this.#hold(experiment, "preparation", `a run ${reason}`);
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
      const problem = await this.#overBudget(experiment);
      if (problem !== null) await this.#hold(experiment, "budget", problem);
      else if (await this.#isPrepared(experiment)) startable.push(experiment);
    }
    return startable;
  }

  async #overBudget(experiment: ExperimentRecord): Promise<string | null> {
    if (experiment.budget.gpu_hours === null && experiment.budget.wall === null) return null;
    const live = this.#attempts.holding().filter((one) => one.experiment.id === experiment.id);
    const attempts = live.map((one) => one.attempt);
    const usage = await this.#budgets.usage(experiment, attempts, Date.now());
    return budgetProblem(experiment.budget, usage, experiment.definition.resources.gpus);
  }

  /** Begins what is missing. What failed is told to the person who waits, and begun anew when the hold is released. */
  async #isPrepared(experiment: ExperimentRecord): Promise<boolean> {
    if (this.preparation.get(experiment.id) !== undefined) return true;
    const failure = this.preparation.failure(experiment.id);
    if (failure === null) this.preparation.begin(experiment, () => this.wake());
    else await this.#hold(experiment, "preparation", [failure.message, failure.next].filter(Boolean).join(" "));
    return false;
  }

  async #hold(experiment: ExperimentRecord, code: HoldCode, reason: string): Promise<void> {
    const name = reference(experiment);
    const release = code === "budget" ? `rigor release ${name} --wall 2h (or --gpu-hours 10)` : `rigor release ${name}`;
    await this.#lab.store.transact("daemon", async (transaction) => {
      const present = await experimentById(transaction.db, experiment.id);
      if (present.state !== "running") return;
      const data = { code, reason, options: [release, `rigor cancel ${name}`] };
      await transaction.append([{ kind: "experiment.held", entity: experiment.id, data }]);
    });
  }

  /** Asks, for experiments whose runs may all have ended, what comes next. */
  async #advance(): Promise<void> {
    for (const id of [...this.#toAdvance]) {
      const queue = this.#queues.get(id);
      if (queue === undefined || queue.empty) await this.#advanceOne(id);
      this.#toAdvance.delete(id);
    }
  }

  /** A fault of ours is told to the person who waits; a full disk is waited for. */
  async #advanceOne(id: string): Promise<void> {
    try {
      await advanceExperiment(this.#lab, id);
    } catch (error) {
      if (error instanceof RigorError && error.code === "storage") throw error;
      this.#lab.log.error({ err: error, experiment: id }, "the experiment could not be taken further");
      const message = error instanceof Error ? error.message : String(error);
      const experiment = await experimentById(this.#lab.store.db, id);
      await this.#hold(experiment, "fault", `Rigor could not take it further: ${message}; see daemon.log`);
    }
  }
}

const hasRoom = (capacity: HostCapacity): boolean =>
  capacity.disk_free >= leastDisk.bytes && capacity.inodes_free >= leastDisk.inodes;

async function readRuns(transaction: Transaction, ids: readonly string[]): Promise<Map<string, RunRecord>> {
  if (ids.length === 0) return new Map();
  const rows = await transaction.db.selectFrom("runs").selectAll().where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, decodeRow("runs", row)]));
}

function conclude({ live, outcome }: Ended, runs: Map<string, RunRecord>, now: number): DomainEvent[] {
  const run = runs.get(live.run.id);
  if (run === undefined) throw new Error(`attempt ${live.attempt.id} belongs to no run`);
  const { outputs: _, missing_outputs: __, ...concluded } = outcome;
  return concludeAttempt(run, live.attempt, concluded, live.experiment.definition.retry, now);
}

/** The attempt to record for a candidate; none if its run is no longer waiting. */
function intend(candidate: Candidate, runs: Map<string, RunRecord>, host: string, dataDirectory: string): Live[] {
  const run = runs.get(candidate.runId);
  if (run?.state !== "pending") return [];
  const { experiment, lease, compute } = candidate;
  const number = run.attempts + 1;
  const id = attemptId(run, number);
  const attempt: AttemptRecord = {
    id,
    run_id: run.id,
    experiment_id: experiment.id,
    number,
    state: "queued",
    compute,
    host,
    directory: AttemptDirectory.in(dataDirectory, run.id, id).path,
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
  return [{ attempt, run, experiment }];
}

function queuedEvent(attempt: AttemptRecord): DomainEvent {
  const { id, run_id, experiment_id, number, compute, host, directory, lease, resources } = attempt;
  const data = { run_id, experiment_id, number, compute, host, directory, lease, resources };
  return { kind: "attempt.queued", entity: id, data };
}
