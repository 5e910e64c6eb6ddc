import type { Executor } from "../../compute/executor.ts";
import type { HostCapacity } from "../../compute/placement/resources.ts";
import type { CallsNow } from "../../compute/schedulers/call-line.ts";
import type { SchedulerFacts } from "../../compute/schedulers/scheduler.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import type { ComputeRecord } from "../../domain/records.ts";
import { isProven, machineOf, needsCheck, undecidedPause } from "../../domain/rules/compute-rules.ts";
import type { Dial } from "../../hosts/dial.ts";
import type { Stager } from "../../provenance/staging/stager.ts";
import { LookPace } from "./look-pace.ts";

/** How a compute is reached. */
export interface Connection {
  executor: Executor;
  stager: Stager;
  /** Opens connections to ports as the machine reaches them: its own, or those of a cluster's nodes. */
  dial: Dial;
  /** The scheduler behind it; null where Rigor places the runs itself. */
  scheduler: {
    facts(): Promise<SchedulerFacts>;
    limitCalls(callsPerMinute: number): void;
    calls(): CallsNow & { jobs: number };
    /** Nothing that waits for its call is submitted any more. */
    leave(): void;
  } | null;
}

/** Why a compute could not be asked when that was last tried. Nothing is concluded from it about its jobs. */
export interface Trouble {
  code: string;
  message: string;
  next: string | null;
  since: string;
}

/** Why a turn is wanted: something has just changed, something is still to be done, or only to look. */
export type Urgency = "news" | "work" | "look";

/** Milliseconds between two turns that are more than looks. How often a scheduler is asked in them, its executor limits. */
const pauseMs = {
  machine: { news: 50, work: 500 },
  cluster: { news: 500, work: 500 },
  trouble: 10_000,
};

/** Milliseconds for which a compute counts as wanted after runs waited for it. */
const wantedMs = 30_000;

/**
 * The way to one compute: its connection, and what is known of it now. Each lane has a pace of its own, so that a slow
 * or silent machine holds up nothing on the others.
 */
export class Lane {
  readonly id: string;
  readonly configuration: Compute;
  readonly machine: string;
  readonly executor: Executor;
  readonly stager: Stager;
  readonly dial: Dial;
  readonly scheduler: Connection["scheduler"];
  /** Whether this daemon has taken over what is under way there: before that nothing is started. */
  isAdopted = true;
  /** Its state in the log; null before it is noted there. */
  record: ComputeRecord | null = null;
  #isDoubted = false;
  /** Checks in a row that came to no conclusion, and when the next one is due: epoch milliseconds. */
  #undecided = { times: 0, dueAt: 0 };
  #capacity: HostCapacity | null = null;
  #trouble: Trouble | null = null;
  #probedAt = Number.NEGATIVE_INFINITY;
  #turn: Promise<void> | null = null;
  #aside: Promise<void> | null = null;
  /** What went wrong beside the turns. */
  #failure: { error: unknown } | null = null;
  #turnedAt = Number.NEGATIVE_INFINITY;
  readonly #lookPace: LookPace;
  #wantedAt = Number.NEGATIVE_INFINITY;

  constructor(
    id: string,
    configuration: Compute,
    { executor, stager, dial, scheduler }: Connection,
    machine = machineOf(configuration),
  ) {
    this.id = id;
    this.configuration = configuration;
    this.machine = machine;
    this.executor = executor;
    this.stager = stager;
    this.dial = dial;
    this.scheduler = scheduler;
    this.#lookPace = new LookPace(this.isPlaced ? "machine" : "cluster");
  }

  /** Limits that `rigor.yaml` sets now; with anything else it would be another compute. */
  limit(configuration: Compute): void {
    if ("calls_per_minute" in configuration) this.scheduler?.limitCalls(configuration.calls_per_minute);
  }

  /** This machine: it is asked without a connection, and always answers. */
  get isHere(): boolean {
    return this.configuration.kind === "local";
  }

  /** Runs are placed on its cores and cards by Rigor; a cluster's scheduler does that itself. */
  get isPlaced(): boolean {
    return this.scheduler === null;
  }

  /** Whether runs may be started there, as far as people and earlier faults go. A rest ends with a check. */
  get isOpen(): boolean {
    return this.record === null || this.record.state === "available";
  }

  /** Whether it was tried lately and found good. This machine needs no proof. */
  isProven(now: number): boolean {
    return this.isHere || (!this.#isDoubted && isProven(this.record, now));
  }

  /** Whether it has to be tried now. */
  needsCheck(now: number): boolean {
    if (this.isHere || now < this.#undecided.dueAt) return false;
    return this.#undecided.times > 0 || needsCheck(this.record, this.#isDoubted, now);
  }

  /** A check came to no conclusion. @returns whether it is tried again soon; otherwise it counts as a problem */
  noteUndecided(now: number): boolean {
    const times = this.#undecided.times + 1;
    const pause = undecidedPause(times);
    if (pause === null) return false;
    this.#undecided = { times, dueAt: now + pause };
    return true;
  }

  /** A person says that what was wrong is mended, or something casts doubt on what a check found. */
  doubt(): void {
    this.#isDoubted = true;
    this.#undecided.dueAt = 0;
    this.stir();
  }

  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  /** The log has what a check found. */
  checked(): void {
    this.#isDoubted = false;
    this.#undecided = { times: 0, dueAt: 0 };
  }

  /** What the machine had when it was last looked at; null before the first time, and for a cluster. */
  get capacity(): HostCapacity | null {
    return this.isPlaced ? this.#capacity : null;
  }

  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** Looks at the machine, unless what is known is no older than this many milliseconds. */
  async probe(maxAge: number): Promise<HostCapacity> {
    if (this.#capacity === null || performance.now() - this.#probedAt >= maxAge) {
      this.#capacity = await this.executor.probe();
      this.#probedAt = performance.now();
    }
    return this.#capacity;
  }

  /** Notes that runs wait for the compute. */
  want(): void {
    this.#wantedAt = performance.now();
  }

  get isWanted(): boolean {
    return performance.now() - this.#wantedAt < wantedMs;
  }

  /** Milliseconds until the next turn; infinite while one is under way, and not above zero when it is time. */
  dueIn(urgency: Urgency): number {
    if (this.#turn !== null) return Number.POSITIVE_INFINITY;
    const pauses = this.isPlaced ? pauseMs.machine : pauseMs.cluster;
    const pause = urgency === "look" ? this.#lookPace.pauseMs : pauses[urgency];
    return this.#turnedAt + (this.#trouble === null ? pause : pauseMs.trouble) - performance.now();
  }

  /** Something was begun, began, ended or changed there: more may happen soon. */
  stir(): void {
    this.#lookPace.stir();
  }

  /** Begins a piece of work with the compute, unless one is under way. @returns whether it was begun */
  begin(work: () => Promise<void>, done: () => void): boolean {
    if (this.#turn !== null) return false;
    this.#turn = this.#tell(work).finally(() => {
      this.#turn = null;
      this.#lookPace.looked();
      this.#turnedAt = performance.now();
      done();
    });
    return true;
  }

  /** Begins work that may wait long, beside the turns, unless some is under way. What it fails with the next turn tells. */
  beginAside(work: () => Promise<void>, done: () => void): void {
    this.#aside ??= work()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#aside = null;
        done();
      });
  }

  async #tell(work: () => Promise<void>): Promise<void> {
    try {
      const failure = this.#failure;
      this.#failure = null;
      if (failure !== null) throw failure.error;
      await work();
      this.#trouble = null;
    } catch (error) {
      this.#trouble = troubleOf(error, this.#trouble);
    }
  }

  get isBusy(): boolean {
    return this.#turn !== null;
  }

  /** Waits for the work under way. */
  async settle(): Promise<void> {
    await Promise.all([this.#turn, this.#aside]);
  }
}

function troubleOf(error: unknown, before: Trouble | null): Trouble {
  const since = before?.since ?? new Date().toISOString();
  if (error instanceof RigorError) return { code: error.code, message: error.message, next: error.next ?? null, since };
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, next: "See daemon.log.", since };
}
