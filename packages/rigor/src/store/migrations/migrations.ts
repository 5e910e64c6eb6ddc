import type { Kysely } from "kysely";
import * as initial from "./0001-initial.ts";

export type DialectName = "sqlite" | "postgres";

interface Migration {
  up(db: Kysely<unknown>, dialect: DialectName): Promise<void>;
}

/** In order; the number of a schema is the number of migrations that made it. Never edit one that was released. */
export const migrations: readonly Migration[] = [initial];

export const schemaVersion = migrations.length;
