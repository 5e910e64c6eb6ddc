import type { Kysely } from "kysely";
import type { ExperimentRecord } from "../../domain/records.ts";
import { machineOfId, memberOfId } from "../../domain/rules/compute-rules.ts";
import type { Drivers } from "../../store/drivers.ts";
import type { Driver } from "../../store/roster.ts";
import type { Transaction } from "../../store/store.ts";
import type { Database } from "../../store/tables.ts";
import { CommitsHere } from "./commits-here.ts";
import { computesInUse } from "./computes-in-use.ts";
import type { Lane } from "./lane.ts";
import type { Offer, Offers } from "./offers.ts";

/** Milliseconds for which a compute that could not be reached is left to others. */
const avoidMs = 5 * 60_000;

const experimentResource = (id: string): string => `experiment:${id}`;
const machineResource = (machine: string): string => `compute:${machine}`;

/**
 * What this daemon drives: everything, where it has the database for itself. Where several share it, an experiment
 * (making it ready, holding it, taking it further) is driven by the daemon that it was started through, as long as that
 * lives; then by one that has the commit in a repository at the same place. A machine or cluster (what runs there, and
 * what of all experiments starts there) is driven by whichever daemon first needs it and reaches it.
 */
export class Driving {
  readonly #drivers: Drivers | null;
  readonly #offers: Offers | null;
  #othersLive = false;
  /** What was last seen of who drives what, by resource. */
  readonly #seen = new Map<string, Driver>();
  /** Computes with attempts under way, whoever drives them. */
  #inUse: readonly string[] = [];
  readonly #commits = new CommitsHere();
  readonly #avoided = new Map<string, number>();

  /** @param shared null where no other daemon can share the database */
  constructor(shared: { drivers: Drivers; offers: Offers } | null) {
    this.#drivers = shared?.drivers ?? null;
    this.#offers = shared?.offers ?? null;
  }

  /** Null where no other daemon can share the database. */
  get drivers(): Drivers | null {
    return this.#drivers;
  }

  get isShared(): boolean {
    return this.#drivers !== null;
  }

  /** Names this daemon's data directory among those that share the lab; null where there is only one. */
  get member(): string | null {
    return this.#drivers?.member ?? null;
  }

  /** False where another daemon may have taken over: nothing is begun then. */
  get isSafe(): boolean {
    return this.#drivers?.isSafe ?? true;
  }

  hasExperiment(id: string): boolean {
    return this.#drivers?.drives(experimentResource(id)) ?? true;
  }

  /** Whether an experiment was started on this machine: `local` is this machine for no other. */
  isHome(id: string): boolean {
    return this.#drivers === null || this.#seen.get(experimentResource(id))?.home === this.#drivers.member;
  }

  hasMachine(machine: string): boolean {
    return this.#drivers?.drives(machineResource(machine)) ?? true;
  }

  hasLane(lane: Lane): boolean {
    return this.hasMachine(lane.machine);
  }

  /** Computes with attempts under way that this daemon drives. */
  inUse(): string[] {
    return this.#inUse.filter((id) => this.hasMachine(machineOfId(id)));
  }

  /** Who else drives a machine, for people; null when nobody else does. */
  otherDriver(machine: string): string | null {
    const seen = this.hasMachine(machine) ? undefined : this.#seen.get(machineResource(machine));
    return seen?.is_driven === true && seen.daemon !== null ? `${seen.daemon.host} (pid ${seen.daemon.pid})` : null;
  }

  /** In the transaction that starts an experiment, or finds it again: this is where it belongs, unless another drives it. */
  async bringHome(transaction: Transaction, experimentId: string): Promise<void> {
    if (this.#drivers === null) return;
    await this.#drivers.bringHome(transaction.db, experimentResource(experimentId));
  }

  /**
   * Takes what is to be driven from here and nobody drives.
   *
   * @param running experiments that are running
   * @param lanes those that are open
   * @returns whether anything was taken or given back
   */
  async refresh(db: Kysely<Database>, running: readonly ExperimentRecord[], lanes: readonly Lane[]): Promise<boolean> {
    const drivers = this.#drivers;
    if (drivers === null) return false;
    this.#inUse = await computesInUse(db);
    const machines = this.#wantedMachines(lanes, drivers.member).map(machineResource);
    const experiments = new Map(running.map((one) => [experimentResource(one.id), one]));
    const asked = [...new Set([...machines, ...experiments.keys()])];
    this.#seen.clear();
    for (const driver of await drivers.roster.drivers(asked)) this.#seen.set(driver.resource, driver);
    const alive = new Set((await drivers.roster.daemons()).map(({ member }) => member));
    this.#othersLive = [...alive].some((member) => member !== drivers.member);
    const wanted = machines.filter((resource) => !drivers.drives(resource) && !this.#isDriven(resource));
    const given = drivers.held.filter((one) => one.startsWith("experiment:") && !experiments.has(one));
    for (const [resource, experiment] of experiments) {
      const home = this.#seen.get(resource)?.home ?? null;
      const isElsewhere = home !== null && home !== drivers.member && alive.has(home);
      if (drivers.drives(resource)) given.push(...(isElsewhere ? [resource] : []));
      else if (!this.#isDriven(resource) && !isElsewhere) {
        if (
          home === drivers.member ||
          (await this.#commits.has(experiment.source.repository, experiment.source.commit))
        )
          wanted.push(resource);
      }
    }
    await drivers.release(given);
    return (await drivers.take(wanted)).length + given.length > 0;
  }

  #isDriven(resource: string): boolean {
    return this.#seen.get(resource)?.is_driven === true;
  }

  /** Machines that something is under way on or that runs wait for, as far as this daemon may drive them. */
  #wantedMachines(lanes: readonly Lane[], member: string): string[] {
    const ids = [...this.#inUse, ...lanes.filter((lane) => lane.isHere || lane.isWanted).map(({ id }) => id)];
    const own = ids.filter((id) => (memberOfId(id) ?? member) === member);
    return [...new Set(own.map(machineOfId))].filter((machine) => {
      return performance.now() >= (this.#avoided.get(machine) ?? Number.NEGATIVE_INFINITY);
    });
  }

  /** Whether there is another daemon now. */
  get othersLive(): boolean {
    return this.#othersLive;
  }

  /** Says where an experiment is ready; see {@link Offers.publish}. */
  async offer(experimentId: string, offers: readonly Omit<Offer, "experiment_id">[], named: readonly string[]) {
    await this.#offers?.publish(experimentId, offers, named);
  }

  /** What some experiments offer to some computes. */
  async offers(computeIds: readonly string[], experimentIds: readonly string[]): Promise<Offer[]> {
    return (await this.#offers?.read(computeIds, experimentIds)) ?? [];
  }

  /** Lets go of a machine that cannot be reached from here: another daemon may reach it. */
  async leaveToOthers(machine: string): Promise<void> {
    this.#avoided.set(machine, performance.now() + avoidMs);
    await this.#drivers?.release([machineResource(machine)]);
  }
}
