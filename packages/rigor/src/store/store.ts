/**
 * How a fact flows:
 *
 * 1. A caller asks {@link Store.transact} for a turn. Turns never overlap: within this process they queue, and the
 *    database's own write lock keeps other processes out. What a decision reads is what its events meet.
 * 2. The decision reads rows through `transaction.db` and hands events to {@link Transaction.append}.
 * 3. Each event is checked against the schema of its kind and numbered `(origin, seq)`. The rows that it touches are
 *    read into a {@link Draft}, the event's pure `apply` changes them there, and the changed rows and the event are
 *    written.
 * 4. The commit makes all of it durable together. If anything failed, in the decision or in an append, all of it is
 *    undone.
 * 5. Subscribers are called with the committed events. Whoever was away resumes with {@link Store.eventsAfter}.
 *
 * Tables are a view: `rebuild` drops and refills them from the log, `compareWithLog` shows that both agree. Bulk data
 * (`metrics.ts`) lies beside the log and passes through no event.
 */
import type { Kysely, Transaction as KyselyTransaction } from "kysely";
import type { Event } from "../domain/events/event.ts";
import {
  applyEvent,
  currentEvent,
  sealEvent,
  touchedRows,
  type DomainEvent,
  type SealedEvent,
} from "../domain/events/registry.ts";
import { lockForWriting } from "./dialects/postgres.ts";
import { Draft } from "./draft.ts";
import { databaseError } from "./errors.ts";
import type { DialectName } from "./migrations/migration.ts";
import type { Database, EventRow } from "./tables.ts";
import type { Durability, Turn } from "./turn.ts";

/** An event with its place in this database's stream. */
export interface LoggedEvent extends Event {
  position: number;
}

export interface StoreOptions {
  db: Kysely<Database>;
  dialect: DialectName;
  origin: string;
  turn: Turn;
  /** Copies a consistent state to a file while the store is in use. */
  backup: (file: string) => Promise<void>;
}

/** What is written in each turn after all that somebody decided in it. It may read and append. */
type Closing = (transaction: Transaction) => Promise<void>;
/** Events of others that are read at a time. */
const eventsPerLook = 1_000;

type Listener = (events: readonly LoggedEvent[]) => void;

/**
 * The log and its tables. Facts enter by {@link Store.transact} only: the events of one call are written, applied
 * to the tables and made durable together, or not at all.
 */
export class Store {
  /**
   * For reading, and for bulk data beside the log. With SQLite a query waits until the present turn has ended, so
   * that it sees committed state only; inside a turn it is refused.
   */
  readonly db: Kysely<Database>;
  readonly dialect: DialectName;
  /** Names this log among all logs. */
  readonly origin: string;
  /**
   * Copies a consistent state to a new file while the store is in use.
   *
   * @throws RigorError `not-possible` if the file exists or the store has no file, `storage` if it cannot be written
   */
  readonly backup: (file: string) => Promise<void>;
  readonly #turn: Turn;
  readonly #listeners = new Set<Listener>();
  #closing: Closing = async () => undefined;
  #guard: ((transaction: KyselyTransaction<Database>) => Promise<void>) | null = null;
  /** Up to where events of others were announced, and what of the rest is our own; null where nobody else writes. */
  #followed: { position: number; own: Set<number> } | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: StoreOptions) {
    this.db = options.db;
    this.dialect = options.dialect;
    this.origin = options.origin;
    this.backup = options.backup;
    this.#turn = options.turn;
  }

  /**
   * Runs a decision against the current state and writes the events that it appends. Calls take turns, so what a
   * decision reads is what its events are applied to. A turn holds up all other writers: wait for nothing slow in it.
   *
   * @param actor who causes the events
   * @param durability `soon` returns before SQLite's journal is on the disk
   * @throws whatever the decision or an append throws, RigorError `storage` or `database` for faults of the database;
   *   nothing is then written
   */
  async transact<Value>(
    actor: string,
    decide: (transaction: Transaction) => Promise<Value>,
    durability: Durability = "at-once",
  ): Promise<Value> {
    this.#turn.refuseInside("transact");
    const turn = this.#queue.then(async () => {
      this.#turn.durability = durability;
      return this.#transact(actor, decide);
    });
    // The next caller waits for this turn, however it ends; its error belongs to this caller alone.
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #transact<Value>(actor: string, decide: (transaction: Transaction) => Promise<Value>): Promise<Value> {
    try {
      const [value, events] = await this.db.transaction().execute(async (trx) => {
        if (this.dialect === "postgres") await lockForWriting(trx);
        await this.#guard?.(trx);
        const transaction = new Transaction(trx, actor, this.origin);
        const value = await this.#decide(transaction, decide);
        for (const { position } of transaction.events) this.#followed?.own.add(position);
        return [value, transaction.events] as const;
      });
      if (events.length > 0) this.#publish(events);
      return value;
    } catch (error) {
      throw databaseError(error);
    }
  }

  async #decide<Value>(transaction: Transaction, decide: (transaction: Transaction) => Promise<Value>): Promise<Value> {
    try {
      const value = await this.#turn.run(() => decide(transaction));
      await transaction.appended();
      if (transaction.events.length > 0) await this.#turn.run(() => this.#closing(transaction));
      await transaction.appended();
      return value;
    } finally {
      // Nothing of this turn may still write when it is committed or undone.
      await transaction.settled();
    }
  }

  /** Ends every turn that writes something with this: what follows from its events is committed with them. */
  closeTurnsWith(closing: Closing): void {
    this.#closing = closing;
  }

  /**
   * From now on every turn begins with this check, in its transaction and after its lock: where it throws, nothing is
   * written.
   */
  guardWith(check: (transaction: KyselyTransaction<Database>) => Promise<void>): void {
    this.#guard = check;
  }

  /** Announces to subscribers what other daemons have committed since the last call; the first one only begins. */
  async follow(): Promise<void> {
    this.#followed ??= { position: await this.lastPosition(), own: new Set() };
    const { own } = this.#followed;
    for (;;) {
      const events = await this.eventsAfter(this.#followed.position, eventsPerLook);
      this.#followed.position = events.at(-1)?.position ?? this.#followed.position;
      const others = events.filter(({ position }) => !own.delete(position));
      if (others.length > 0) this.#publish(others);
      if (events.length < eventsPerLook) break;
    }
    // Of turns that were undone.
    for (const position of own) if (position <= this.#followed.position) own.delete(position);
  }

  /** The events are committed, so the fault of a listener is its own: it reaches neither the writer nor the others. */
  #publish(events: readonly LoggedEvent[]): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(events);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }

  /**
   * Calls back after each commit of this store with its events, in order, and with those that {@link follow} finds. An error that the listener throws becomes
   * a warning of the process. Returns a function that ends this.
   */
  subscribe(listener: (events: readonly LoggedEvent[]) => void): () => void {
    // Wrapped, so that one function can be subscribed twice and each subscription ends by itself.
    const own: Listener = (events) => listener(events);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * Events after a position, in order. Asking again with the last position that was seen misses none: positions
   * become visible in growing order.
   *
   * @param entities limits the answer to events about these
   * @throws UnknownEventError if another version of the program wrote an event that this one cannot read
   */
  async eventsAfter(position: number, limit: number, entities?: readonly string[]): Promise<LoggedEvent[]> {
    let query = this.db.selectFrom("events").selectAll().where("position", ">", position);
    if (entities !== undefined) query = query.where("entity", "in", entities);
    const rows = await query.orderBy("position").limit(limit).execute();
    return rows.map(loggedEvent);
  }

  /** Position of the newest event; 0 in an empty log. */
  async lastPosition(): Promise<number> {
    const row = await this.db
      .selectFrom("events")
      .select(({ fn }) => fn.max("position").as("last"))
      .executeTakeFirst();
    return row?.last ?? 0;
  }

  /** Waits for the turns that were asked for, then lets go of the database. */
  async close(): Promise<void> {
    await this.#queue;
    await this.db.destroy();
  }
}

/** One turn of the writer. */
export class Transaction {
  /** Reads see what was appended before. Rows of the tables are written by {@link append} only. */
  readonly db: KyselyTransaction<Database>;
  /** The log that the events go to. */
  readonly origin: string;
  /** What was appended so far. */
  readonly events: LoggedEvent[] = [];
  readonly #actor: string;
  readonly #draft = new Draft();
  #lastSeq: number | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(db: KyselyTransaction<Database>, actor: string, origin: string) {
    this.db = db;
    this.#actor = actor;
    this.origin = origin;
  }

  /**
   * Checks, numbers, applies and writes events. What is read through `db` afterwards shows their effect.
   *
   * @throws ZodError, UnknownEventError, TransitionError or another refusal of the event. The transaction is then
   *   lost even if the error is caught: an event that half happened must not be committed.
   */
  append(events: readonly DomainEvent[]): Promise<void> {
    const work = this.#work.then(() => this.#append(events));
    this.#work = work;
    return work;
  }

  /** Waits until no append is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#work]);
  }

  /** @throws the error of the append that failed, if one did */
  async appended(): Promise<void> {
    await this.#work;
  }

  async #append(events: readonly DomainEvent[]): Promise<void> {
    if (events.length === 0) return;
    const time = new Date().toISOString();
    let seq = (this.#lastSeq ??= await this.#readLastSeq());
    const sealed = events.map((event) => ({
      ...sealEvent(event),
      origin: this.origin,
      seq: ++seq,
      time,
      actor: this.#actor,
    }));
    this.#lastSeq = seq;
    await this.#draft.load(this.db, sealed.flatMap(touchedRows));
    for (const event of sealed) applyEvent(this.#draft, event);
    await this.#draft.flush(this.db);
    await this.#write(sealed);
  }

  /** Read in the transaction and kept nowhere: the log itself knows its last number, whatever happened before. */
  async #readLastSeq(): Promise<number> {
    const row = await this.db
      .selectFrom("events")
      .select(({ fn }) => fn.max("seq").as("seq"))
      .where("origin", "=", this.origin)
      .executeTakeFirst();
    return row?.seq ?? 0;
  }

  async #write(events: (SealedEvent & Event)[]): Promise<void> {
    const perInsert = 1_000;
    for (let start = 0; start < events.length; start += perInsert) {
      const slice = events.slice(start, start + perInsert);
      const rows = await this.db
        .insertInto("events")
        .values(slice.map(({ json, ...event }) => ({ ...event, data: json })))
        .returning(["position", "seq"])
        .execute();
      const positions = new Map(rows.map((row) => [row.seq, row.position]));
      for (const { json: _, ...event } of slice) {
        const position = positions.get(event.seq);
        if (position === undefined) throw new Error(`the database gave no position to event ${event.seq}`);
        this.events.push({ ...event, position });
      }
    }
  }
}

/** A row of the log as an event of the present version of its kind. */
export function loggedEvent(row: Omit<EventRow, "position"> & { position: number }): LoggedEvent {
  return { ...currentEvent({ ...row, data: JSON.parse(row.data) as unknown }), position: row.position };
}
