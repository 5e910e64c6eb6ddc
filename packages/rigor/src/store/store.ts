import type { Kysely, Transaction as KyselyTransaction } from "kysely";
import type { Event, NewEvent } from "../domain/events/event.ts";
import { applyEvent, currentEvent, sealEvent, touchedRows, type DomainEvent } from "../domain/events/registry.ts";
import { Draft } from "./draft.ts";
import { databaseError } from "./errors.ts";
import type { DialectName } from "./migrations/migrations.ts";
import type { Database, EventRow } from "./tables.ts";

/** An event with its place in this database's stream. */
export interface LoggedEvent extends Event {
  position: number;
}

export interface StoreOptions {
  db: Kysely<Database>;
  dialect: DialectName;
  origin: string;
  /** The last number given in this origin's log. */
  lastSeq: number;
  /** Copies a consistent state to a file while the store is in use. */
  backup: (file: string) => Promise<void>;
  close: () => Promise<void>;
}

/**
 * The log and its tables. Facts enter by {@link Store.transact} only: the events of one call are written, applied
 * to the tables and made durable together, or not at all.
 */
export class Store {
  readonly db: Kysely<Database>;
  readonly dialect: DialectName;
  readonly origin: string;
  readonly backup: (file: string) => Promise<void>;
  readonly #close: () => Promise<void>;
  readonly #listeners = new Set<(events: readonly LoggedEvent[]) => void>();
  #lastSeq: number;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: StoreOptions) {
    this.db = options.db;
    this.dialect = options.dialect;
    this.origin = options.origin;
    this.backup = options.backup;
    this.#close = options.close;
    this.#lastSeq = options.lastSeq;
  }

  /**
   * Runs a decision against the current state and writes the events that it appends. Calls take turns, so what a
   * decision reads is what its events are applied to.
   *
   * @param actor who causes the events
   * @throws whatever the decision throws; nothing is then written
   */
  async transact<Value>(actor: string, decide: (transaction: Transaction) => Promise<Value>): Promise<Value> {
    const turn = this.#queue.then(() => this.#transact(actor, decide));
    // The next caller waits for this turn, however it ends; its error belongs to this caller alone.
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #transact<Value>(actor: string, decide: (transaction: Transaction) => Promise<Value>): Promise<Value> {
    let committed: Transaction | undefined;
    const value = await this.db
      .transaction()
      .execute(async (trx) => {
        committed = new Transaction(trx, actor, this.origin, this.#lastSeq);
        return decide(committed);
      })
      .catch((error: unknown) => {
        throw databaseError(error);
      });
    if (committed !== undefined && committed.events.length > 0) {
      this.#lastSeq = committed.lastSeq;
      for (const listener of this.#listeners) listener(committed.events);
    }
    return value;
  }

  /** Calls back after each commit with its events. Returns a function that ends this. */
  subscribe(listener: (events: readonly LoggedEvent[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Events after a position, in order. */
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

  async close(): Promise<void> {
    await this.#queue;
    await this.db.destroy();
    await this.#close();
  }
}

/** One turn of the writer. */
export class Transaction {
  readonly db: KyselyTransaction<Database>;
  readonly events: LoggedEvent[] = [];
  readonly #actor: string;
  readonly #origin: string;
  readonly #draft = new Draft();
  lastSeq: number;

  constructor(db: KyselyTransaction<Database>, actor: string, origin: string, lastSeq: number) {
    this.db = db;
    this.#actor = actor;
    this.#origin = origin;
    this.lastSeq = lastSeq;
  }

  /** Checks, numbers, applies and writes events. What is read through `db` afterwards shows their effect. */
  async append(events: readonly DomainEvent[]): Promise<void> {
    if (events.length === 0) return;
    const time = new Date().toISOString();
    const sealed = events.map((event: NewEvent) => ({
      ...sealEvent(event),
      origin: this.#origin,
      seq: ++this.lastSeq,
      time,
      actor: this.#actor,
    }));
    await this.#draft.load(this.db, sealed.flatMap(touchedRows));
    for (const event of sealed) applyEvent(this.#draft, event);
    await this.#draft.flush(this.db);
    await this.#write(sealed);
  }

  async #write(events: Event[]): Promise<void> {
    const perInsert = 1_000;
    for (let start = 0; start < events.length; start += perInsert) {
      const slice = events.slice(start, start + perInsert);
      const rows = await this.db
        .insertInto("events")
        .values(slice.map((event) => ({ ...event, data: JSON.stringify(event.data) })))
        .returning(["position", "seq"])
        .execute();
      const positions = new Map(rows.map((row) => [row.seq, row.position]));
      for (const event of slice) {
        const position = positions.get(event.seq);
        if (position === undefined) throw new Error(`the database gave no position to event ${event.seq}`);
        this.events.push({ ...event, position });
      }
    }
  }
}

export function loggedEvent(row: Omit<EventRow, "position"> & { position: number }): LoggedEvent {
  return { ...currentEvent({ ...row, data: JSON.parse(row.data) as unknown }), position: row.position };
}
