import type { Kysely } from "kysely";
import * as initial from "./0001-initial.ts";

/** The two databases that a store can stand on. */
export type DialectName = "sqlite" | "postgres";

/** One change of the schema, the same for both databases unless it asks. */
export interface Migration {
  up(db: Kysely<unknown>, dialect: DialectName): Promise<void>;
}

/** In order; the number of a schema is the number of migrations that made it. Never edit one that was released. */
export const migrations: readonly Migration[] = [initial];

/** The schema that this program writes. */
export const schemaVersion = migrations.length;
