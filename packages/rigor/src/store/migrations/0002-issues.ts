import type { Kysely } from "kysely";
import type { Migration } from "./migration.ts";

const text = "text";
const integer = "integer";

/** Issues, what is handed in for them, and what is found, asked and done about it. */
async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable("issues")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("project", text, (column) => column.notNull())
    .addColumn("number", integer, (column) => column.notNull())
    .addColumn("kind", text, (column) => column.notNull())
    .addColumn("title", text, (column) => column.notNull())
    .addColumn("text", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("reason", text, (column) => column.notNull())
    .addColumn("resumes_at", text)
    .addColumn("visits", text, (column) => column.notNull())
    .addColumn("parent", text)
    .addColumn("change", text, (column) => column.notNull())
    .addColumn("backend", text)
    .addColumn("accepted", integer, (column) => column.notNull())
    .addColumn("filed_by", text, (column) => column.notNull())
    .addColumn("created_at", text, (column) => column.notNull())
    .addColumn("changed_at", text, (column) => column.notNull())
    .addUniqueConstraint("issues_project_number", ["project", "number"])
    .execute();

  await schema
    .createTable("submissions")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("issue_id", text, (column) => column.notNull())
    .addColumn("kind", text, (column) => column.notNull())
    .addColumn("number", integer, (column) => column.notNull())
    .addColumn("role", text, (column) => column.notNull())
    .addColumn("hash", text, (column) => column.notNull())
    .addColumn("subject", text)
    .addColumn("content", text, (column) => column.notNull())
    .addColumn("session_id", text)
    .addColumn("submitted_by", text, (column) => column.notNull())
    .addColumn("submitted_at", text, (column) => column.notNull())
    .addUniqueConstraint("submissions_number", ["issue_id", "kind", "number"])
    .execute();

  await schema
    .createTable("concerns")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("issue_id", text, (column) => column.notNull())
    .addColumn("number", integer, (column) => column.notNull())
    .addColumn("about", text, (column) => column.notNull())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("severity", text, (column) => column.notNull())
    .addColumn("location", text, (column) => column.notNull())
    .addColumn("evidence", text, (column) => column.notNull())
    .addColumn("fix", text, (column) => column.notNull())
    .addColumn("source", text, (column) => column.notNull())
    .addColumn("session_id", text)
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("answer", text)
    .addColumn("settled", text, (column) => column.notNull())
    .addColumn("raised_at", text, (column) => column.notNull())
    .addUniqueConstraint("concerns_number", ["issue_id", "number"])
    .execute();

  await schema
    .createTable("gates")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("number", integer, (column) => column.notNull())
    .addColumn("issue_id", text, (column) => column.notNull())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("question", text, (column) => column.notNull())
    .addColumn("why", text, (column) => column.notNull())
    .addColumn("options", text, (column) => column.notNull())
    .addColumn("binding", text, (column) => column.notNull())
    .addColumn("evidence", text, (column) => column.notNull())
    .addColumn("choice", text)
    .addColumn("reason", text)
    .addColumn("answers", text, (column) => column.notNull())
    .addColumn("opened_at", text, (column) => column.notNull())
    .addColumn("decided_at", text)
    .addColumn("decided_by", text)
    .execute();
  await schema.createIndex("gates_issue").on("gates").column("issue_id").execute();
  await schema.createIndex("gates_state").on("gates").column("state").execute();

  await schema
    .createTable("sessions")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("issue_id", text)
    .addColumn("role", text, (column) => column.notNull())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("backend", text, (column) => column.notNull())
    .addColumn("model", text)
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("member", text)
    .addColumn("directory", text, (column) => column.notNull())
    .addColumn("process", text, (column) => column.notNull())
    .addColumn("restarts", integer, (column) => column.notNull())
    .addColumn("outcome", text)
    .addColumn("evidence", text)
    .addColumn("next", text)
    .addColumn("usage", text, (column) => column.notNull())
    .addColumn("refused", text, (column) => column.notNull())
    .addColumn("submission_id", text)
    .addColumn("started_at", text, (column) => column.notNull())
    .addColumn("ended_at", text)
    .execute();
  await schema.createIndex("sessions_issue").on("sessions").column("issue_id").execute();
  await schema.createIndex("sessions_state").on("sessions").column("state").execute();

  await schema
    .createTable("issue_checks")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("issue_id", text, (column) => column.notNull())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("subject", text, (column) => column.notNull())
    .addColumn("passed", integer, (column) => column.notNull())
    .addColumn("fault", integer, (column) => column.notNull())
    .addColumn("findings", text, (column) => column.notNull())
    .addColumn("details", text, (column) => column.notNull())
    .addColumn("checked_at", text, (column) => column.notNull())
    .execute();
  await schema.createIndex("issue_checks_issue").on("issue_checks").column("issue_id").execute();
}

export const issues: Migration = { up };
