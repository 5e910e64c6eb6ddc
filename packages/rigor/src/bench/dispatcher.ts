import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../domain/errors.ts";
import type { AttemptRecord, ExperimentRecord, RunRecord } from "../domain/records.ts";
import type { LoggedEvent, Transaction } from "../store/store.ts";
import { decodeRow } from "../store/tables.ts";
import { advanceExperiment } from "./advance.ts";
import { chooseRuns, type Candidate, type Holding, type WaitingRuns } from "./choice.ts";
import { rest } from "./compute-steering.ts";
import { Faults } from "./faults.ts";
import { holdWithoutCommand } from "./command-hold.ts";
import type { Lab } from "./lab.ts";
import { LiveAttempts, type Ended, type Live } from "./live-attempts.ts";
import { writeManifest } from "./manifest.ts";
import { Preparation } from "./preparation.ts";
import { experimentById, experimentsInState, runningExperiments, wantedRuns } from "./queries.ts";
import { ReadinessCheck } from "./readiness.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { conclude, intend, queuedEvent } from "./transitions.ts";
import { Turns } from "./turns.ts";

/** How often everything is looked at, whether or not something is known to have changed. */
const pollMs = 1_000;
/** How old the knowledge of the machine may be. */
const probeMs = 5_000;
/** Runs of one experiment that are started in one cycle, at most. */
const mostStarts = 64;
/** How long other machines may take to finish what they were asked when the daemon stops. */
const farewellMs = 2_000;
/**
 * Drives runs: starts what may start, sees what ended, and asks what follows. One cycle at a time; each writes what
 * it concludes and what it intends in one transaction, and only then acts. After a crash the next daemon finds every
 * intention in the log and asks the executor, by the attempt's token, what became of it.
 */
export class Dispatcher {
  readonly preparation: Preparation;
  readonly #lab: Lab;
  readonly #attempts: LiveAttempts;
  readonly #readiness: ReadinessCheck;
  readonly #faults: Faults;
  readonly #turns: Turns;
  readonly #queues = new Map<string, ReadyQueue>();
  #experiments: ExperimentRecord[] = [];
  #experimentsStale = true;
  /** Experiments whose stage may be complete. */
  readonly #toAdvance = new Set<string>();
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
    this.#faults = new Faults((id) => lab.lanes.get(id));
    this.#readiness = new ReadinessCheck(lab, this.preparation, () => this.wake());
    this.#turns = new Turns(lab, this.#attempts, this.#readiness, () => this.wake());
  }

  /** Takes over everything that was under way, and begins. */
  async start(): Promise<void> {
    await this.#attempts.adopt();
    for (const experiment of await experimentsInState(this.#lab.store.db, ["running"])) {
      this.#toAdvance.add(experiment.id);
    }
    this.#ends = [
      this.#lab.lanes.onChange((attempt) => {
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
    const working = Promise.all([this.preparation.stop(), this.#lab.lanes.settle()]);
    // A machine that does not answer would be waited for as long as a person who waits for this end.
    await Promise.race([working, sleep(farewellMs, undefined, { ref: false })]);
    await this.#lab.lanes.letGo();
    await working;
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

  get liveCount(): number {
    return this.#attempts.size;
  }

  /** What holds the machines now. */
  leases(): Pick<AttemptRecord, "id" | "compute_id" | "lease">[] {
    return this.#attempts.holding().map(({ attempt: { id, compute_id, lease } }) => ({ id, compute_id, lease }));
  }

  /** Events of others, and of this class, that change what may start or must be stopped. */
  #hear(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      if (event.kind.startsWith("experiment.")) {
        this.#experimentsStale = true;
        this.#queues.get(event.entity)?.invalidate();
        if (event.kind === "experiment.released") this.#forgive(event.entity);
        if (/\.(started|released|reopened|stage-started)$/.test(event.kind)) this.#toAdvance.add(event.entity);
      } else if (/^run\.(retried|requeued|released|held|cancelled)$/.test(event.kind)) {
        for (const queue of this.#queues.values()) queue.invalidate();
        for (const experiment of this.#experiments) this.#toAdvance.add(experiment.id);
        if (event.kind === "run.cancelled") this.#attempts.cancelRun(event.entity);
      } else continue;
      this.wake();
    }
  }

  /** Whoever releases an experiment has mended what was wrong, or wants it tried again. */
  #forgive(experimentId: string): void {
    this.preparation.forgive(experimentId);
    for (const lane of this.#lab.lanes.all()) if ((lane.record?.problems ?? []).length > 0) lane.doubt();
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
    const { here } = this.#lab.lanes;
    await here.probe(probeMs);
    await this.#refreshExperiments();
    await this.#attempts.observe(here, polling);
    await this.#record(now);
    await this.#turns.handOver(here);
    if (polling) await this.#attempts.ingestMetrics(here);
    this.#turns.begin(this.#experiments);
    await this.#advance();
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
  async #record(now: number): Promise<void> {
    const news = this.#attempts.news();
    for (const ended of news.ended) this.#writeManifest(ended);
    const candidates = await this.#candidates(now);
    if (news.events.length + news.ended.length + candidates.length === 0) return;
    let intended: Live[];
    try {
      intended = await this.#lab.store.transact("daemon", async (transaction) => {
        const runs = await readRuns(transaction, [
          ...news.ended.map(({ live }) => live.run.id),
          ...candidates.map((candidate) => candidate.runId),
        ]);
        const failed = news.ended.filter(({ outcome }) => outcome.state !== "succeeded");
        const wanted = await wantedRuns(
          transaction.db,
          failed.map(({ live }) => live.run.id),
        );
        const conclusions = news.ended.flatMap((ended) => conclude(ended, runs, wanted, now));
        const running = await runningExperiments(transaction.db);
        const next = candidates.flatMap((candidate) => intend(candidate, runs, running, this.#lab.data.root));
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
    await this.#rest(news.ended);
    for (const { live, outcome } of news.ended) {
      if (outcome.category !== "submission") continue;
      await this.#readiness.hold(live.experiment, "submission", outcome.evidence ?? "a scheduler refused its runs");
    }
  }

  /** A machine on which one attempt after another fails by no fault of its run is left alone for a while. */
  async #rest(ended: readonly Ended[]): Promise<void> {
    for (const { lane, reason, seconds } of this.#faults.note(ended)) {
      if (lane.isOpen) await rest(this.#lab, "daemon", lane, reason, seconds);
    }
  }

  #writeManifest({ live, outcome }: Ended): void {
    const { experiment, attempt } = live;
    const prepared = this.preparation.get(experiment.id, attempt.compute_id) ?? null;
    const lane = this.#lab.lanes.get(attempt.compute_id);
    const host = { capacity: lane?.capacity ?? null, isHere: lane?.isHere === true };
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
  async #candidates(now: number): Promise<Candidate[]> {
    const holding = this.#attempts.holding();
    // A run whose last attempt is still being ended waits until that is over.
    const ending = new Set(holding.map(({ run }) => run.id));
    const waiting: WaitingRuns[] = [];
    for (const experiment of this.#experiments) {
      const queue = this.#queues.get(experiment.id);
      if (queue === undefined) continue;
      await queue.refill(this.#lab.store.db, experiment, now);
      if (queue.empty) continue;
      const readiness = await this.#readiness.of(experiment, holding);
      if (readiness.options.length === 0) continue;
      const runIds = queue.peek(mostStarts + ending.size).filter((id) => !ending.has(id));
      const active = holding.filter((live) => live.experiment.id === experiment.id).length;
      waiting.push({ experiment, runIds, active, ...readiness });
    }
    const { chosen, impossible } = chooseRuns(this.#held(this.#attempts.leased()), waiting);
    for (const candidate of chosen) this.#queues.get(candidate.experiment.id)?.take(candidate.runId);
    for (const { experiment, reason } of impossible) {
      await this.#readiness.hold(experiment, "preparation", `a run ${reason}`);
    }
    return chosen;
  }

  #held(holding: readonly Live[]): Holding[] {
    return holding.map(({ attempt, experiment }) => ({
      ...attempt.lease,
      attempt: attempt.id,
      repository: experiment.source.repository,
      machine: this.#lab.lanes.get(attempt.compute_id)?.machine ?? attempt.compute_id,
      compute_id: attempt.compute_id,
    }));
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
      await this.#readiness.hold(experiment, "fault", `Rigor could not take it further: ${message}; see daemon.log`);
    }
  }
}

async function readRuns(transaction: Transaction, ids: readonly string[]): Promise<Map<string, RunRecord>> {
  if (ids.length === 0) return new Map();
  const rows = await transaction.db.selectFrom("runs").selectAll().where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, decodeRow("runs", row)]));
}
