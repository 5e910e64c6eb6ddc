import type { Client } from "pg";

/** Milliseconds in which a connection must come about, and a query be answered, before another connection is tried. */
const answerPatienceMs = 5_000;

/** Renews the row by which a daemon shows the others that it lives. */
export class LifeSign {
  readonly #url: string;
  readonly #daemon: string;
  readonly #patience: number;
  readonly #onEnded: (error: Error) => void;
  #client: Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;
  /** Until when no other can have taken anything, by a clock that never jumps. */
  #safeUntil = Number.NEGATIVE_INFINITY;

  /**
   * @param patience seconds after its last sign of life in which nobody takes what this daemon drives
   * @param onEnded called when another daemon has ended this one
   */
  constructor(url: string, daemon: string, patience: number, onEnded: (error: Error) => void) {
    this.#url = url;
    this.#daemon = daemon;
    this.#patience = patience;
    this.#onEnded = onEnded;
  }

  /** @param sentAt when the first sign was sent, by a clock that never jumps */
  start(sentAt: number): void {
    this.#safeUntil = sentAt + this.#safeMs;
    this.#renewSoon();
  }

  /** Whether it is certain that no other daemon has taken anything. */
  get isSafe(): boolean {
    return !this.#isOver && performance.now() < this.#safeUntil;
  }

  /** Renews nothing any more; nothing is safe from now on. */
  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async close(): Promise<void> {
    this.stop();
    await this.#client?.end().catch(() => undefined);
  }

  /** A part of the patience is left for what is under way when a renewal fails. */
  get #safeMs(): number {
    return this.#patience * 600;
  }

  #renewSoon(): void {
    this.#timer = setTimeout(
      () => {
        void this.#renew().finally(() => {
          if (!this.#isOver) this.#renewSoon();
        });
      },
      (this.#patience * 1_000) / 10,
    );
    this.#timer.unref();
  }

  /** Over a connection of its own, so that no long query holds it up. */
  async #renew(): Promise<void> {
    const sentAt = performance.now();
    try {
      this.#client ??= await this.#connect();
      const { rowCount } = await this.#client.query(
        `update daemons set lives_until = extract(epoch from clock_timestamp())::float8 + $2
         where id = $1 and ended_at is null`,
        [this.#daemon, this.#patience],
      );
      if (rowCount === 1) this.#safeUntil = sentAt + this.#safeMs;
      else this.#onEnded(new Error("another daemon has taken over what this one drove, because it was silent"));
    } catch {
      // The server is asked again, by a new connection. Until it answers, nothing is begun.
      const client = this.#client;
      this.#client = null;
      void client?.end().catch(() => undefined);
    }
  }

  async #connect(): Promise<Client> {
    const { default: pg } = await import("pg");
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: answerPatienceMs,
      query_timeout: answerPatienceMs,
    });
    client.on("error", () => {
      if (this.#client === client) this.#client = null;
    });
    await client.connect();
    return client;
  }
}
