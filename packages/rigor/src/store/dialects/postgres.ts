import { PostgresDialect, type Dialect } from "kysely";
import type { Pool } from "pg";

/** Object id of PostgreSQL's `bigint`, which `pg` would give as text. */
const int8 = 20;

/** A pool for a shared store. `pg` is loaded only where it is used: the embedded store must start fast. */
export async function openPostgres(url: string): Promise<{ dialect: Dialect; pool: Pool }> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({
    connectionString: url,
    max: 8,
    types: {
      getTypeParser: (oid, format) =>
        oid === int8 && format !== "binary" ? Number : (pg.types.getTypeParser(oid, format) as (value: unknown) => unknown),
    },
  });
  // A connection that breaks while idle is replaced at its next use; without a listener it would end the process.
  pool.on("error", () => undefined);
  return { dialect: new PostgresDialect({ pool }), pool };
}
