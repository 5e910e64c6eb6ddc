import { PostgresDialect, sql, type Dialect, type Transaction } from "kysely";

/** Object id of PostgreSQL's `bigint`, which `pg` would give as text. */
const int8 = 20;

/** First key of the advisory locks of this program; the second one names the schema. */
const lockSpace = 7_246_067;

/**
 * Seconds after which the server ends a connection that says nothing in the middle of a transaction, or does not take
 * what it is sent: a daemon that is stopped or cut off must not keep the others from writing.
 */
const silence = 20;

/** Milliseconds in which a query must be answered: a network that swallows everything holds up nobody for ever. */
const queryPatienceMs = 60_000;

/** Milliseconds in which a connection must come about, or one of those that are used be free: machines may be busy. */
const connectPatienceMs = 20_000;

/** A pool for a shared store. `pg` is loaded only where it is used: the embedded store must start fast. */
export async function openPostgres(url: string): Promise<Dialect> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    connectionTimeoutMillis: connectPatienceMs,
    query_timeout: queryPatienceMs,
    keepAlive: true,
    options: [
      // The order of writers depends on it, and a server may have another default.
      "-c default_transaction_isolation=read\\ committed",
      `-c idle_in_transaction_session_timeout=${silence}s`,
      `-c tcp_user_timeout=${silence}s`,
      `-c tcp_keepalives_idle=${silence / 2}`,
      `-c tcp_keepalives_interval=${silence / 4}`,
      "-c tcp_keepalives_count=2",
    ].join(" "),
    types: {
      getTypeParser: (oid, format) =>
        (oid as number) === int8 && format !== "binary"
          ? Number
          : (pg.types.getTypeParser(oid, format) as (value: unknown) => unknown),
    },
  });
  // A connection that breaks while idle is replaced at its next use; without a listener it would end the process.
  pool.on("error", () => undefined);
  // One that breaks between two queries of a transaction says so at the next of them.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return new PostgresDialect({ pool });
}

/**
 * Waits until no other writer of the log has an open transaction, in any process, and keeps others out until this
 * one ends. Positions thereby become visible in growing order: a reader that resumes after the last one it saw
 * misses nothing. Each later statement sees what was committed before.
 */
export async function lockForWriting<Database>(trx: Transaction<Database>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.lit(lockSpace)}, hashtext(current_schema()))`.execute(trx);
}
