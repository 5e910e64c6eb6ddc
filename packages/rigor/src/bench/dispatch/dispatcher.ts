import { setTimeout as sleep } from "node:timers/promises";
import type { EventData } from "../../domain/events/registry.ts";
import { hasNeeds } from "../../domain/needs.ts";
import type { AttemptRecord, ExperimentRecord } from "../../domain/records.ts";
import type { LoggedEvent } from "../../store/store.ts";
import { Candidates } from "./candidates.ts";
import { record } from "./record.ts";
import type { Lab } from "../lab/lab.ts";
import type { Ended, Live } from "../attempts/live.ts";
import { LiveAttempts } from "../attempts/live-attempts.ts";
import { writeManifest } from "../attempts/manifest.ts";
import { NextSteps } from "./next-steps.ts";
import { Preparation } from "../computes/preparation.ts";
import { heldAnywhere } from "../records/attempt-queries.ts";
import { experimentsInState } from "../records/experiment-queries.ts";
import { ReadinessCheck } from "./readiness.ts";
import { ReadyQueues } from "./ready-queue.ts";
import { Safeguards } from "./safeguards.ts";
import { Sharing } from "./sharing.ts";
import { Turns } from "./turns.ts";

/** How often everything is looked at, whether or not something is known to have changed. */
const pollMs = 1_000;
/** How old the knowledge of the machine may be. */
const probeMs = 5_000;
/** How long other machines may take to finish what they were asked when the daemon stops. */
const farewellMs = 2_000;

/** What an attempt holds of a machine. */
export type Lease = Pick<AttemptRecord, "id" | "compute_id" | "lease">;

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
  readonly #safeguards: Safeguards;
  readonly #turns: Turns;
  readonly #nextSteps: NextSteps;
  readonly #sharing: Sharing;
  readonly #queues = new ReadyQueues();
  readonly #candidates: Candidates;
  #experiments: ExperimentRecord[] = [];
  #experimentsStale = true;
  #polledAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #cycle: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  /** Why the last cycle failed: what lasts is logged once. */
  #fault: string | null = null;
  #ends: (() => void)[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
    this.preparation = new Preparation(lab);
    this.#attempts = new LiveAttempts(lab, this.preparation, () => this.wake());
    this.#readiness = new ReadinessCheck(lab, this.preparation, () => this.wake());
    this.#safeguards = new Safeguards(lab, this.#attempts, this.#readiness);
    this.#nextSteps = new NextSteps(lab, this.#readiness);
    this.#sharing = new Sharing(lab, this.#attempts, this.#readiness);
    this.#candidates = new Candidates(lab, this.#queues, this.#attempts, this.#readiness, this.#sharing);
    this.#turns = new Turns(lab, this.#attempts, this.#readiness, () => this.wake());
  }

  /** Takes over everything that was under way, and begins. */
  async start(): Promise<void> {
    const { driving, lanes, store } = this.#lab;
    // What others write from here on is heard.
    if (driving.isShared) await store.follow();
    await this.#attempts.adopt((id) => !driving.isShared || id === lanes.here.id);
    for (const experiment of await experimentsInState(this.#lab.store.db, ["running"])) {
      this.#nextSteps.consider(experiment.id);
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
    const working = Promise.all([this.preparation.stop(), this.#attempts.stop(), this.#lab.lanes.settle()]);
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

  /** What holds the machines now, whichever daemon drives them. */
  async leases(): Promise<Lease[]> {
    const leased = this.#attempts.leased().map(({ attempt: { id, compute_id, lease } }) => ({ id, compute_id, lease }));
    if (!this.#lab.driving.isShared) return leased;
    const elsewhere = (await heldAnywhere(this.#lab.store.db)).filter(({ id }) => !this.#attempts.has(id));
    return [...leased, ...elsewhere];
  }

  /** Attempts whose jobs have ended and whose outputs this daemon reads now, before the log has their ends. */
  get collecting(): ReadonlySet<string> {
    return this.#attempts.collecting;
  }

  /** Events of others, and of this class, that change what may start or must be stopped. */
  #hear(events: readonly LoggedEvent[]): void {
    for (const event of events) {
      if (event.kind === "attempt.finished") this.#attempts.heardEnd(event.entity);
      if (event.kind.startsWith("experiment.")) {
        this.#experimentsStale = true;
        this.#queues.of(event.entity)?.invalidate();
        if (event.kind === "experiment.released") this.#forgive(event.entity);
        // Another daemon may have seen it.
        if (event.kind === "experiment.held" && (event.data as EventData<"experiment.held">).code === "code-changed")
          this.preparation.forgetCheckouts(event.entity);
        if (/\.(started|released|reopened|stage-started)$/.test(event.kind)) this.#nextSteps.consider(event.entity);
      } else if (this.#lab.driving.isShared && this.#hearOfOthers(event)) {
        continue;
      } else if (/^run\.(completed|restored|failed|invalidated)$/.test(event.kind)) {
        // What needs it may start now, or waits for it no more.
        const needing = this.#experiments.filter(({ definition }) => hasNeeds(definition));
        if (needing.length === 0) continue;
        for (const { id } of needing) {
          this.#queues.of(id)?.invalidate();
          this.#nextSteps.consider(id);
        }
      } else if (/^run\.(retried|requeued|released|held|cancelled)$/.test(event.kind)) {
        this.#queues.invalidateAll();
        for (const experiment of this.#experiments) this.#nextSteps.consider(experiment.id);
        if (event.kind === "run.cancelled") this.#attempts.cancelRun(event.entity);
      } else continue;
      this.wake();
    }
  }

  /** What another daemon writes of what this one counts on. @returns whether that is all that there is to it */
  #hearOfOthers({ kind, data }: LoggedEvent): boolean {
    if (kind.startsWith("compute.")) this.#sharing.computesChanged();
    if (kind === "attempt.queued") {
      const { run_id } = data as EventData<"attempt.queued">;
      this.#queues.takeFromAll(run_id);
    }
    if (/^run\.(completed|failed|cancelled|invalidated)$/.test(kind)) {
      for (const experiment of this.#experiments) this.#nextSteps.consider(experiment.id);
    }
    return !kind.startsWith("run.");
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
        this.#fault = null;
      } catch (error) {
        // Nothing of this cycle is lost: what it saw is looked at again. A full disk ends here until there is room.
        const message = error instanceof Error ? error.message : String(error);
        if (message !== this.#fault) this.#lab.log.error({ err: error }, "the cycle failed and is tried again");
        this.#fault = message;
        return;
      }
    } while (this.#again && !this.#stopped);
  }

  async #runCycle(): Promise<void> {
    // Epoch milliseconds by a clock that never jumps, so that pauses between attempts have their length.
    const now = performance.timeOrigin + performance.now();
    const polling = performance.now() - this.#polledAt >= pollMs;
    if (polling) this.#polledAt = performance.now();
    if (!this.#lab.driving.isSafe) return;
    const { here } = this.#lab.lanes;
    if (polling || this.#experimentsStale) await this.#share();
    await here.probe(probeMs);
    await this.#refreshExperiments();
    await this.#attempts.observe(here, polling);
    await this.#record(now);
    await this.#turns.handOver(here);
    if (polling) await this.#attempts.ingestMetrics(here);
    this.#turns.begin(this.#experiments);
    await this.#nextSteps.take((id) => this.#queues.isIdle(id));
    if (!polling) return;
    await this.#safeguards.look(this.#experiments);
  }

  /** Where several daemons share the lab: what the others did, and what is to be driven from here now. */
  async #share(): Promise<void> {
    if (!this.#lab.driving.isShared) return;
    await this.#lab.store.follow();
    await this.#refreshExperiments();
    if (await this.#sharing.look(this.#experiments)) {
      for (const { id } of this.#experiments) this.#nextSteps.consider(id);
    }
  }

  async #refreshExperiments(): Promise<void> {
    if (!this.#experimentsStale) return;
    this.#experimentsStale = false;
    try {
      this.#experiments = await experimentsInState(this.#lab.store.db, ["running"]);
    } catch (error) {
      this.#experimentsStale = true;
      throw error;
    }
    this.#queues.follow(this.#experiments);
  }

  /** Writes what was seen and what will be started, and then does what follows from it. */
  async #record(now: number): Promise<void> {
    const news = this.#attempts.news();
    for (const ended of news.ended) this.#writeManifest(ended);
    const candidates = await this.#candidates.choose(this.#experiments, now);
    if (news.events.length + news.ended.length + candidates.length === 0) return;
    let intended: Live[];
    try {
      intended = await record(this.#lab, this.#sharing, news, candidates, now);
    } catch (error) {
      for (const candidate of candidates) this.#queues.of(candidate.experiment.id)?.invalidate();
      throw error;
    }
    this.#attempts.written(news);
    for (const { live, outcome } of news.ended) {
      this.#candidates.forgetLearnt(live.experiment);
      if (outcome.code_changed) this.preparation.forgetCheckouts(live.experiment.id);
    }
    this.#attempts.add(intended);
    // A candidate that another experiment ran in the meantime may have been the last that this one waited for.
    const starting = new Set(intended.map(({ run }) => run.id));
    for (const { runId, experiment } of candidates) {
      if (starting.has(runId)) continue;
      this.#nextSteps.consider(experiment.id);
      this.#queues.of(experiment.id)?.invalidate();
    }
    const idle = this.#experiments.filter((one) => this.#queues.isIdle(one.id)).map((one) => one.id);
    await this.#nextSteps.considerAskers(
      news.ended.map(({ live }) => live.run.id),
      idle,
    );
    await this.#safeguards.afterEnds(news.ended);
  }

  #writeManifest({ live, outcome }: Ended): void {
    const { experiment, attempt } = live;
    const prepared = this.preparation.get(experiment.id, attempt.compute_id) ?? null;
    const lane = this.#lab.lanes.get(attempt.compute_id);
    const host = { capacity: lane?.capacity ?? null, isHere: lane?.isHere === true };
    writeManifest({ ...live, outcome, prepared, host, version: this.#lab.version });
  }
}
