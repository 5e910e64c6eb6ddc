import type { Kysely } from "kysely";
import type { Database } from "../../store/tables.ts";

/** Computes that attempts are under way on. */
export async function computesInUse(db: Kysely<Database>): Promise<string[]> {
  const rows = await db
    .selectFrom("attempts")
    .select("compute_id")
    .distinct()
    .where("state", "in", ["queued", "staging", "submitted", "running"])
    .execute();
  return rows.map((row) => row.compute_id);
}
