import { RigorError } from "../domain/errors.ts";
import type { IssueRecord } from "../domain/issues/records.ts";
import { CommitsHere } from "../bench/lab/commits-here.ts";
import type { Driving } from "../bench/lab/driving.ts";
import type { Store, Transaction } from "../store/store.ts";
import { newestCommit, personsAtWork } from "./queries.ts";

const kind = "issue:";
const resourceOf = (issueId: string): string => `${kind}${issueId}`;

/**
 * Which issues this daemon takes further: all, where it has the database for itself. Where several share it, an issue is
 * driven by the daemon through which it was filed, because there is its repository; when that has been silent for too long,
 * by one that has the same repository at the same place, with every commit that the record of the issue names. What one
 * has taken over it keeps.
 *
 * Sessions are on the machine that began them. Those of a daemon that is gone are lost to the next one, with what was not
 * handed in; so an issue stays where it is as long as a person works in its workspace there.
 */
export class IssueDriving {
  readonly #driving: Driving;
  readonly #store: Store;
  readonly #commits = new CommitsHere();

  constructor(driving: Driving, store: Store) {
    this.#driving = driving;
    this.#store = store;
  }

  /** Names this daemon's data directory among those that share the lab; null where there is only one. */
  get member(): string | null {
    return this.#driving.member;
  }

  /** False where another daemon may have taken over: nothing is begun then. */
  get isSafe(): boolean {
    return this.#driving.isSafe;
  }

  drives(issueId: string): boolean {
    return this.#driving.drivers?.drives(resourceOf(issueId)) ?? true;
  }

  /** In the transaction that files an issue: this is where it belongs. */
  async bringHome(transaction: Transaction, issueId: string): Promise<void> {
    await this.#driving.drivers?.bringHome(transaction.db, resourceOf(issueId));
  }

  /** Takes those of the open issues that nobody drives and that this machine has the files of; lets go of others. */
  async refresh(open: readonly IssueRecord[]): Promise<void> {
    const { drivers } = this.#driving;
    if (drivers === null || !this.isSafe) return;
    const issues = new Map(open.map((issue) => [resourceOf(issue.id), issue]));
    const ended = drivers.held.filter((one) => one.startsWith(kind) && !issues.has(one));
    const seen = new Map((await drivers.roster.drivers([...issues.keys()])).map((driver) => [driver.resource, driver]));
    const alive = new Set((await drivers.roster.daemons()).map(({ member }) => member));
    const wanted: string[] = [];
    for (const [resource, issue] of issues) {
      const driver = seen.get(resource);
      const isElsewhere = driver !== undefined && driver.home !== drivers.member && alive.has(driver.home);
      if (drivers.drives(resource) || driver?.is_driven === true || (isElsewhere && driver.daemon === null)) continue;
      if (await this.#canGoOnHere(issue)) wanted.push(resource);
    }
    await drivers.release(ended);
    await drivers.take(wanted);
  }

  async #canGoOnHere(issue: IssueRecord): Promise<boolean> {
    const { db } = this.#store;
    const commit = await newestCommit(db, issue);
    if (!(await this.#commits.has(issue.project, commit))) return false;
    return (await personsAtWork(db, issue.id)).every((member) => member === this.member);
  }

  /** The daemon that drives an issue, or that did so last; null where nobody can share the lab, or nobody did. */
  async driverOf(issueId: string): Promise<{ host: string; pid: number; is_alive: boolean; is_this: boolean } | null> {
    const { drivers } = this.#driving;
    if (drivers === null) return null;
    const [driver] = await drivers.roster.drivers([resourceOf(issueId)]);
    if (driver === undefined || driver.daemon === null) return null;
    const { host, pid, id } = driver.daemon;
    return { host, pid, is_alive: driver.is_driven, is_this: id === drivers.daemon };
  }

  /** Whether the machine of a session has a daemon now. */
  async isAlive(member: string | null): Promise<boolean> {
    const { drivers } = this.#driving;
    if (drivers === null || member === this.member) return true;
    return (await drivers.roster.daemons()).some((one) => one.member === member);
  }

  /** The machine of a session, for people; null for this one. */
  async machineOf(member: string | null): Promise<string | null> {
    const { drivers } = this.#driving;
    if (drivers === null || member === null || member === this.member) return null;
    return (await drivers.roster.hostOf(member)) ?? "a machine that nobody knows";
  }

  /** @throws RigorError `not-possible` where what is asked for is on another machine */
  async refuseElsewhere(member: string | null, what: string): Promise<void> {
    const host = await this.machineOf(member);
    if (host === null) return;
    throw new RigorError("not-possible", `${what} on ${host}.`, { next: "Ask there." });
  }
}
