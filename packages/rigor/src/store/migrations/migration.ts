import type { Kysely } from "kysely";

/** The two databases that a store can stand on. */
export type DialectName = "sqlite" | "postgres";

/** One change of the schema, the same for both databases unless it asks. */
export interface Migration {
  up(db: Kysely<unknown>, dialect: DialectName): Promise<void>;
}
