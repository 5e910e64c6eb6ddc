import type { Kysely } from "kysely";
import type { Migration } from "./migration.ts";

const text = "text";
const integer = "integer";
const real = "double precision";

/** `position` counts by itself; each database says that in its own way. */
async function up(db: Kysely<unknown>, dialect: "sqlite" | "postgres"): Promise<void> {
  const { schema } = db;
  await schema
    .createTable("events")
    .addColumn("position", dialect === "sqlite" ? integer : "bigserial", (column) =>
      dialect === "sqlite" ? column.primaryKey().autoIncrement() : column.primaryKey(),
    )
    .addColumn("origin", text, (column) => column.notNull())
    .addColumn("seq", "bigint", (column) => column.notNull())
    .addColumn("time", text, (column) => column.notNull())
    .addColumn("actor", text, (column) => column.notNull())
    .addColumn("kind", text, (column) => column.notNull())
    .addColumn("version", integer, (column) => column.notNull())
    .addColumn("entity", text, (column) => column.notNull())
    .addColumn("data", text, (column) => column.notNull())
    .addUniqueConstraint("events_origin_seq", ["origin", "seq"])
    .execute();
  await schema.createIndex("events_entity").on("events").columns(["entity", "position"]).execute();

  await schema
    .createTable("experiments")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("version", integer, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("plan_hash", text, (column) => column.notNull())
    .addColumn("definition", text, (column) => column.notNull())
    .addColumn("file", text, (column) => column.notNull())
    .addColumn("source", text, (column) => column.notNull())
    .addColumn("environment", text, (column) => column.notNull())
    .addColumn("inputs", text, (column) => column.notNull())
    .addColumn("needs", text, (column) => column.notNull())
    .addColumn("search_path", text, (column) => column.notNull())
    .addColumn("total_runs", integer, (column) => column.notNull())
    .addColumn("stage", integer, (column) => column.notNull())
    .addColumn("hold", text, (column) => column.notNull())
    .addColumn("decision", text, (column) => column.notNull())
    .addColumn("check_failures", text, (column) => column.notNull())
    .addColumn("budget", text, (column) => column.notNull())
    .addColumn("compute", text, (column) => column.notNull())
    .addColumn("without_failed", integer, (column) => column.notNull())
    .addColumn("foreknowledge", text, (column) => column.notNull())
    .addColumn("running", text, (column) => column.notNull())
    .addColumn("created_by", text, (column) => column.notNull())
    .addColumn("created_at", text, (column) => column.notNull())
    .addColumn("decided_at", text)
    .addUniqueConstraint("experiments_name_version", ["name", "version"])
    .execute();

  await schema
    .createTable("runs")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("experiment_id", text, (column) => column.notNull())
    .addColumn("arm", text, (column) => column.notNull())
    .addColumn("task", text, (column) => column.notNull())
    .addColumn("parameters", text, (column) => column.notNull())
    .addColumn("seed", "bigint", (column) => column.notNull())
    .addColumn("needs", text, (column) => column.notNull())
    .addColumn("attempts", integer, (column) => column.notNull())
    .addColumn("resume_from", integer, (column) => column.notNull())
    .addColumn("current_attempt", text)
    .addColumn("retries", text, (column) => column.notNull())
    .addColumn("not_before", text)
    .addColumn("reason", text, (column) => column.notNull())
    .addColumn("result_attempt", text)
    .addColumn("created_at", text, (column) => column.notNull())
    .addColumn("changed_at", text, (column) => column.notNull())
    .execute();
  await schema.createIndex("runs_state").on("runs").columns(["state", "changed_at"]).execute();

  await schema
    .createTable("needs")
    .addColumn("run_id", text, (column) => column.notNull())
    .addColumn("folder", text, (column) => column.notNull())
    .addColumn("needed", text, (column) => column.notNull())
    .addPrimaryKeyConstraint("needs_key", ["run_id", "folder"])
    .execute();
  await schema.createIndex("needs_needed").on("needs").column("needed").execute();

  await schema
    .createTable("placements")
    .addColumn("experiment_id", text, (column) => column.notNull())
    .addColumn("run_id", text, (column) => column.notNull())
    .addColumn("position", integer, (column) => column.notNull())
    .addColumn("arm", text, (column) => column.notNull())
    .addColumn("task", text, (column) => column.notNull())
    .addColumn("grid", text, (column) => column.notNull())
    .addColumn("seed", "bigint", (column) => column.notNull())
    .addColumn("stages", text, (column) => column.notNull())
    .addColumn("first_stage", integer, (column) => column.notNull())
    .addColumn("in_final_stage", integer, (column) => column.notNull())
    .addPrimaryKeyConstraint("placements_key", ["experiment_id", "run_id"])
    .execute();
  await schema.createIndex("placements_order").on("placements").columns(["experiment_id", "position"]).execute();
  await schema.createIndex("placements_run").on("placements").column("run_id").execute();

  await schema
    .createTable("attempts")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("run_id", text, (column) => column.notNull())
    .addColumn("experiment_id", text, (column) => column.notNull())
    .addColumn("number", integer, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("compute", text, (column) => column.notNull())
    .addColumn("compute_id", text, (column) => column.notNull())
    .addColumn("host", text, (column) => column.notNull())
    .addColumn("directory", text, (column) => column.notNull())
    .addColumn("lease", text, (column) => column.notNull())
    .addColumn("fence", "bigint", (column) => column.notNull())
    .addColumn("resources", text, (column) => column.notNull())
    .addColumn("needs", text, (column) => column.notNull())
    .addColumn("job", text)
    .addColumn("process", text, (column) => column.notNull())
    .addColumn("exit", text, (column) => column.notNull())
    .addColumn("category", text)
    .addColumn("evidence", text)
    .addColumn("queued_at", text, (column) => column.notNull())
    .addColumn("started_at", text)
    .addColumn("finished_at", text)
    .addColumn("duration", real)
    .addColumn("memory_peak", "bigint")
    .addColumn("gpu_memory_peak", "bigint")
    .addUniqueConstraint("attempts_run_number", ["run_id", "number"])
    .execute();
  await schema.createIndex("attempts_state").on("attempts").column("state").execute();
  await schema.createIndex("attempts_experiment").on("attempts").columns(["experiment_id", "state"]).execute();

  await schema
    .createTable("results")
    .addColumn("attempt_id", text, (column) => column.primaryKey())
    .addColumn("run_id", text, (column) => column.notNull())
    .addColumn("metrics", text, (column) => column.notNull())
    .addColumn("inputs_hash", text)
    .addColumn("artifacts", text, (column) => column.notNull())
    .addColumn("outputs_hash", text, (column) => column.notNull())
    .addColumn("warnings", text, (column) => column.notNull())
    .addColumn("recorded_at", text, (column) => column.notNull())
    .execute();

  await schema.createIndex("results_run").on("results").column("run_id").execute();

  await schema
    .createTable("computes")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("configuration", text, (column) => column.notNull())
    .addColumn("state", text, (column) => column.notNull())
    .addColumn("reason", text)
    .addColumn("until", text)
    .addColumn("checked_at", text)
    .addColumn("problems", text, (column) => column.notNull())
    .addColumn("identity", text)
    .execute();

  await schema
    .createTable("metric_points")
    .addColumn("attempt_id", text, (column) => column.notNull())
    .addColumn("line_offset", "bigint", (column) => column.notNull())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("step", real)
    .addColumn("value", real, (column) => column.notNull())
    .addPrimaryKeyConstraint("metric_points_key", ["attempt_id", "name", "line_offset"])
    .execute();

  await schema
    .createTable("waiting_jobs")
    .addColumn("attempt_id", text, (column) => column.primaryKey())
    .addColumn("reason", text)
    .addColumn("held", integer, (column) => column.notNull())
    .addColumn("since", text, (column) => column.notNull())
    .execute();

  await schema
    .createTable("offers")
    .addColumn("experiment_id", text, (column) => column.notNull())
    .addColumn("compute_id", text, (column) => column.notNull())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("rank", integer)
    .addColumn("configuration", text, (column) => column.notNull())
    .addColumn("staged", text, (column) => column.notNull())
    .addPrimaryKeyConstraint("offers_key", ["experiment_id", "compute_id"])
    .execute();

  await schema
    .createTable("daemons")
    .addColumn("id", text, (column) => column.primaryKey())
    .addColumn("member", text, (column) => column.notNull())
    .addColumn("host", text, (column) => column.notNull())
    .addColumn("pid", integer, (column) => column.notNull())
    .addColumn("data_directory", text, (column) => column.notNull())
    .addColumn("version", text, (column) => column.notNull())
    .addColumn("started_at", real, (column) => column.notNull())
    .addColumn("lives_until", real, (column) => column.notNull())
    .addColumn("ended_at", real)
    .addColumn("ended_by", text)
    .execute();

  await schema
    .createTable("drivers")
    .addColumn("resource", text, (column) => column.primaryKey())
    .addColumn("daemon", text)
    .addColumn("fence", "bigint", (column) => column.notNull())
    .addColumn("home", text, (column) => column.notNull())
    .addColumn("since", real, (column) => column.notNull())
    .execute();
}

export const initial: Migration = { up };
