import type { Executor } from "../compute/executors/executor.ts";
import type { HostCapacity } from "../compute/resources.ts";
import type { SchedulerFacts } from "../compute/schedulers/scheduler.ts";
import { RigorError } from "../domain/errors.ts";
import type { Compute } from "../domain/files/compute-schema.ts";
import type { ComputeRecord } from "../domain/records.ts";
import { isProven, machineOf, needsCheck } from "../domain/rules/compute-rules.ts";
import type { Stager } from "../provenance/staging/stager.ts";

/** How a compute is reached. */
export interface Connection {
  executor: Executor;
  stager: Stager;
  /** The scheduler behind it; null where Rigor places the runs itself. */
  scheduler: { facts(): Promise<SchedulerFacts> } | null;
}

/** Why a compute could not be asked when that was last tried. Nothing is concluded from it about its jobs. */
export interface Trouble {
  code: string;
  message: string;
  next: string | null;
  since: string;
}

/** Milliseconds between two turns. How often a scheduler is asked in them, its executor limits further. */
const pauseMs = { usual: 2_000, urgent: 500, trouble: 10_000 };

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
  readonly scheduler: Connection["scheduler"];
  /** Its state in the log; null before it is noted there. */
  record: ComputeRecord | null = null;
  #isDoubted = false;
  #capacity: HostCapacity | null = null;
  #trouble: Trouble | null = null;
  #probedAt = Number.NEGATIVE_INFINITY;
  #turn: Promise<void> | null = null;
  #turnedAt = Number.NEGATIVE_INFINITY;
  #wantedAt = Number.NEGATIVE_INFINITY;

  constructor(id: string, configuration: Compute, { executor, stager, scheduler }: Connection) {
    this.id = id;
    this.configuration = configuration;
    this.machine = machineOf(configuration);
    this.executor = executor;
    this.stager = stager;
    this.scheduler = scheduler;
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
    return !this.isHere && needsCheck(this.record, this.#isDoubted, now);
  }

  /** A person says that what was wrong is mended, or something casts doubt on what a check found. */
  doubt(): void {
    this.#isDoubted = true;
  }

  get isDoubted(): boolean {
    return this.#isDoubted;
  }

  /** The log has what a check found. */
  checked(): void {
    this.#isDoubted = false;
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

  /** Whether it is time for the next turn. @param urgent there is something to do besides to look */
  isDue(urgent: boolean): boolean {
    if (this.#turn !== null) return false;
    const calm = urgent ? pauseMs.urgent : pauseMs.usual;
    const pause = this.#trouble === null ? calm : pauseMs.trouble;
    return performance.now() - this.#turnedAt >= pause;
  }

  /** Begins a piece of work with the compute, unless one is under way. @returns whether it was begun */
  begin(work: () => Promise<void>, done: () => void): boolean {
    if (this.#turn !== null) return false;
    this.#turn = this.#tell(work).finally(() => {
      this.#turn = null;
      this.#turnedAt = performance.now();
      done();
    });
    return true;
  }

  async #tell(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#trouble = null;
    } catch (error) {
      this.#trouble = troubleOf(error, this.#trouble);
    }
  }

  /** Waits for the work under way. */
  async settle(): Promise<void> {
    await this.#turn;
  }
}

function troubleOf(error: unknown, before: Trouble | null): Trouble {
  const since = before?.since ?? new Date().toISOString();
  if (error instanceof RigorError) return { code: error.code, message: error.message, next: error.next ?? null, since };
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, next: "See daemon.log.", since };
}
