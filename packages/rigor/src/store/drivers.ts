import { randomUUID } from "node:crypto";
import { sql, type Kysely } from "kysely";
import { RigorError } from "../domain/errors.ts";
import { lockForWriting } from "./dialects/postgres.ts";
import { databaseError } from "./errors.ts";
import { LifeSign } from "./life-sign.ts";
import { now, Roster, type DaemonFacts } from "./roster.ts";
import type { Store } from "./store.ts";
import type { Database } from "./tables.ts";

export interface DriversOptions {
  /** Seconds after its last sign of life in which nobody takes what this daemon drives. */
  patience: number;
  /** Called once, when another daemon has taken something: this one writes nothing any more, and must end. */
  onLost: (error: Error) => void;
}

/**
 * Who drives what, where several daemons share one database. A resource, such as `experiment:ID` or `compute:MACHINE`,
 * is driven by one daemon at a time.
 *
 * A daemon shows that it lives by renewing one row, by the database's clock. Whoever takes a resource from one that has
 * been silent for too long ends that daemon in the same transaction. Every turn of a store begins by looking whether its
 * own daemon was ended ({@link Store.guardWith}); turns of all daemons follow each other under one lock. So what a
 * daemon writes that was stopped, cut off, or whose clock jumped, is refused from the moment on in which another drives
 * any of its resources: as a whole, because what it believes of one is worth no more than what it believes of others.
 *
 * What it does beyond the database after that moment does no harm: a job starts once whoever asks for it, because its
 * script takes a claim; and to end a job that the log says is to end is right whoever does it.
 */
export class Drivers {
  /** This daemon, from its start to its end. */
  readonly daemon = randomUUID();
  /** The data directory that it works in. */
  readonly member: string;
  readonly #store: Store;
  /** Who else is there, and drives what. */
  readonly roster: Roster;
  readonly #options: DriversOptions;
  readonly #life: LifeSign;
  readonly #held = new Map<string, number>();
  #isOver = false;

  /**
   * Joins those who share the database. Earlier daemons of the same data directory are over: the directory's lock says
   * so.
   *
   * @throws RigorError `database` when the server does not answer
   */
  static async join(store: Store, url: string, facts: DaemonFacts, options: DriversOptions): Promise<Drivers> {
    const drivers = new Drivers(store, url, facts.member, options);
    await drivers.#join(facts);
    return drivers;
  }

  private constructor(store: Store, url: string, member: string, options: DriversOptions) {
    this.#store = store;
    this.member = member;
    this.#options = options;
    this.roster = new Roster(store.db);
    this.#life = new LifeSign(url, this.daemon, options.patience, (error) => this.#lose(error));
  }

  async #join(facts: DaemonFacts): Promise<void> {
    const { patience } = this.#options;
    const sentAt = performance.now();
    await this.#inTurn(async (trx) => {
      const row = { ...facts, id: this.daemon, started_at: now, ended_at: null, ended_by: null };
      await trx
        .insertInto("daemons")
        .values({ ...row, lives_until: sql<number>`${now} + ${patience}::float8` })
        .execute();
      await trx
        .updateTable("daemons")
        .set({ ended_at: now, ended_by: this.daemon })
        .where("member", "=", facts.member)
        .where("ended_at", "is", null)
        .where("id", "!=", this.daemon)
        .execute();
    });
    this.#store.guardWith((trx) => this.#refuseIfEnded(trx));
    this.#life.start(sentAt);
  }

  /** Whether it is certain that no other daemon has taken anything: begin nothing where it is not. */
  get isSafe(): boolean {
    return this.#life.isSafe;
  }

  /** Whether this daemon drives a resource, as far as it knows. */
  drives(resource: string): boolean {
    return this.#held.has(resource);
  }

  /** What this daemon drives. */
  get held(): readonly string[] {
    return [...this.#held.keys()];
  }

  /** Grows whenever a resource changes its daemon; null for one that this daemon does not drive. */
  fenceOf(resource: string): number | null {
    return this.#held.get(resource) ?? null;
  }

  /**
   * Takes those of the resources that nobody drives, or whose daemon has been silent for too long. One that stopped in
   * good order is given its patience too, so that it can come back; its own successor does not wait.
   *
   * @returns what was taken now
   */
  async take(resources: readonly string[]): Promise<string[]> {
    const wanted = resources.filter((resource) => !this.#held.has(resource));
    if (wanted.length === 0) return [];
    const taken = await this.#inTurn(async (trx) => {
      await this.#refuseIfEnded(trx);
      return this.#takeIn(trx, wanted);
    });
    for (const { resource, fence } of taken) this.#held.set(resource, fence);
    return taken.map(({ resource }) => resource);
  }

  async #takeIn(trx: Kysely<Database>, wanted: readonly string[]): Promise<{ resource: string; fence: number }[]> {
    const present = await this.#read(trx, wanted);
    const [free, silent] = [new Set<string>(), new Map<string, string[]>()];
    for (const resource of wanted) {
      const driver = present.get(resource);
      if (driver === undefined || driver.daemon === null) free.add(resource);
      else if (driver.ended && driver.member === this.member) free.add(resource);
      else if (driver.silent) silent.set(driver.daemon, [...(silent.get(driver.daemon) ?? []), resource]);
    }
    for (const ended of await this.#end(trx, [...silent.keys()])) {
      for (const resource of silent.get(ended) ?? []) free.add(resource);
    }
    if (free.size === 0) return [];
    const rows = [...free].map((resource) => ({
      resource,
      daemon: this.daemon,
      fence: 1,
      home: this.member,
      since: now,
    }));
    return trx
      .insertInto("drivers")
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .column("resource")
          .doUpdateSet({ daemon: this.daemon, fence: sql<number>`drivers.fence + 1`, since: now }),
      )
      .returning(["resource", "fence"])
      .execute();
  }

  async #read(trx: Kysely<Database>, resources: readonly string[]) {
    const rows = await trx
      .selectFrom("drivers")
      .leftJoin("daemons", "daemons.id", "drivers.daemon")
      .select(["resource", "daemon", "member"])
      .select(sql<boolean>`coalesce(daemons.ended_at is not null, true)`.as("ended"))
      .select(sql<boolean>`coalesce(daemons.lives_until < ${now}, true)`.as("silent"))
      .where("resource", "in", resources)
      .execute();
    return new Map(rows.map((row) => [row.resource, row]));
  }

  /** Ends daemons that are still silent: one that was heard of in this moment is left alone. @returns those that are over */
  async #end(trx: Kysely<Database>, daemons: readonly string[]): Promise<string[]> {
    if (daemons.length === 0) return [];
    await trx
      .updateTable("daemons")
      .set({ ended_at: now, ended_by: this.daemon })
      .where("id", "in", daemons)
      .where("ended_at", "is", null)
      .where("lives_until", "<", now)
      .execute();
    const rows = await trx
      .selectFrom("daemons")
      .select("id")
      .where("id", "in", daemons)
      .where("ended_at", "is not", null)
      .execute();
    return rows.map(({ id }) => id);
  }

  /** In a turn of this daemon: a resource that no living daemon drives belongs to this member from now on. */
  async bringHome(trx: Kysely<Database>, resource: string): Promise<void> {
    const driver = (await this.#read(trx, [resource])).get(resource);
    if (driver !== undefined && driver.daemon !== null && !driver.ended && !driver.silent) return;
    await trx
      .insertInto("drivers")
      .values({ resource, daemon: null, fence: 0, home: this.member, since: now })
      .onConflict((conflict) => conflict.column("resource").doUpdateSet({ home: this.member }))
      .execute();
  }

  /** Lets go of resources: any daemon may take them at once. Nothing of them may be under way here. */
  async release(resources: readonly string[]): Promise<void> {
    const held = resources.filter((resource) => this.#held.delete(resource));
    if (held.length === 0) return;
    await this.#store.db
      .updateTable("drivers")
      .set({ daemon: null })
      .where("daemon", "=", this.daemon)
      .where("resource", "in", held)
      .execute();
  }

  /** Leaves in good order. */
  async leave(): Promise<void> {
    this.#isOver = true;
    this.#life.stop();
    await this.#store.db
      .updateTable("daemons")
      .set({ ended_at: now })
      .where("id", "=", this.daemon)
      .where("ended_at", "is", null)
      .execute()
      .catch(() => undefined);
    await this.#life.close();
  }

  async #refuseIfEnded(trx: Kysely<Database>): Promise<void> {
    const row = await trx.selectFrom("daemons").select("ended_at").where("id", "=", this.daemon).executeTakeFirst();
    if (row !== undefined && row.ended_at === null) return;
    const error = new RigorError(
      "database",
      "Another daemon has taken over what this one drove, because it was silent.",
      {
        next: "Nothing was written. Try again: a new daemon takes its place.",
      },
    );
    this.#lose(error);
    throw error;
  }

  #lose(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#life.stop();
    this.#options.onLost(error);
  }

  /** In the order of all writers, so that nobody drives what a turn under way may still write about. */
  async #inTurn<Value>(work: (trx: Kysely<Database>) => Promise<Value>): Promise<Value> {
    try {
      return await this.#store.db.transaction().execute(async (trx) => {
        await lockForWriting(trx);
        return work(trx);
      });
    } catch (error) {
      throw databaseError(error);
    }
  }
}
