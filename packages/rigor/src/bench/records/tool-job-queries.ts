import type { Kysely } from "kysely";
import type { ToolJobRecord } from "../../domain/investigations/records.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import type { AttemptFate } from "./attempt-queries.ts";

type Db = Kysely<Database>;

/** Tool servers that are jobs of a compute, and not known to have ended: they hold their leases. */
export async function openToolJobs(db: Db): Promise<ToolJobRecord[]> {
  const rows = await db.selectFrom("tool_jobs").selectAll().where("ended_at", "is", null).execute();
  return rows.map((row) => decodeRow("tool_jobs", row));
}

/** All jobs that an investigation had for its servers, the oldest first. */
export async function toolJobsOf(db: Db, investigation: string): Promise<ToolJobRecord[]> {
  const rows = await db
    .selectFrom("tool_jobs")
    .selectAll()
    .where("investigation_id", "=", investigation)
    .orderBy("placed_at")
    .execute();
  return rows.map((row) => decodeRow("tool_jobs", row));
}

/** What became of those of some jobs that were tool servers. Nothing goes on from what they left. */
export async function fatesOfToolJobs(db: Db, ids: readonly string[]): Promise<Map<string, AttemptFate>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("tool_jobs")
    .select(["id", "ended_at"])
    .where("id", "in", ids)
    .where("ended_at", "is not", null)
    .execute();
  const fate = { state: "succeeded", number: 1, run: { state: "done", resume_from: 1 }, is_wanted: false } as const;
  return new Map(rows.map(({ id, ended_at }) => [id, { ...fate, finished_at: ended_at }]));
}
