import type { Kysely } from "kysely";
import type { Migration } from "./migration.ts";

/** How long jobs ran before their schedulers interrupted them. */
async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("interrupted_jobs")
    .addColumn("attempt_id", "text", (column) => column.primaryKey())
    .addColumn("ran", "double precision", (column) => column.notNull())
    .addColumn("since", "text")
    .execute();
}

export const interruptedJobs: Migration = { up };
