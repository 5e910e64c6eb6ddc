import type { Kysely } from "kysely";
import type { Migration } from "./migration.ts";

const text = "text";
const integer = "integer";

/** Questions that agents with measuring tools look into, and what they found. */
async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("investigations")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("number", integer, (column) => column.notNull().unique())
    .addColumn("project", text, (column) => column.notNull())
    .addColumn("question", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("servers", text, (column) => column.notNull())
    .addColumn("compute", text)
    .addColumn("commit", text)
    .addColumn("max_turns", integer)
    .addColumn("directory", text, (column) => column.notNull())
    .addColumn("session_id", text, (column) => column.notNull())
    .addColumn("explanations", text, (column) => column.notNull())
    .addColumn("summary", text, (column) => column.notNull())
    .addColumn("disruption", text, (column) => column.notNull())
    .addColumn("outcome", text)
    .addColumn("evidence", text)
    .addColumn("next", text)
    .addColumn("started_by", text, (column) => column.notNull())
    .addColumn("started_at", text, (column) => column.notNull())
    .addColumn("ended_at", text)
    .execute();
  await schema.createIndex("investigations_state").on("investigations").column("state").execute();
  await schema
    .createTable("tool_jobs")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("investigation_id", text, (column) => column.notNull())
    .addColumn("server", text, (column) => column.notNull())
    .addColumn("repository", text, (column) => column.notNull())
    .addColumn("compute", text, (column) => column.notNull())
    .addColumn("compute_id", text, (column) => column.notNull())
    .addColumn("lease", text, (column) => column.notNull())
    .addColumn("placed_at", text, (column) => column.notNull())
    .addColumn("ended_at", text)
    .addColumn("evidence", text)
    .execute();
  await schema.createIndex("tool_jobs_ended_at").on("tool_jobs").column("ended_at").execute();
}

export const investigations: Migration = { up };
