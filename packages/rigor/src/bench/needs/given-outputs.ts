import type { Kysely } from "kysely";
import type { GivenOutputs, RunRecord } from "../../domain/records.ts";
import { portions } from "../../store/portions.ts";
import type { Database } from "../../store/tables.ts";

/**
 * What runs would be given if they started now: the results of the runs that they need, by folder below `RIGOR_NEEDS`.
 * A run has no entry while one of these is not done.
 */
export async function outputsFor(
  db: Kysely<Database>,
  runs: readonly Pick<RunRecord, "id" | "needs">[],
): Promise<Map<string, Record<string, GivenOutputs>>> {
  const valid = await validOutputs(db, [...new Set(runs.flatMap(({ needs }) => Object.values(needs)))]);
  const given = new Map<string, Record<string, GivenOutputs>>();
  for (const { id, needs } of runs) {
    const outputs = Object.entries(needs).flatMap(([folder, needed]) => {
      const found = valid.get(needed);
      return found === undefined ? [] : [[folder, found] as const];
    });
    if (outputs.length === Object.keys(needs).length) given.set(id, Object.fromEntries(outputs));
  }
  return given;
}

/** The results that count of those of some runs that are done. */
export async function validOutputs(
  db: Kysely<Database>,
  runIds: readonly string[],
): Promise<Map<string, GivenOutputs>> {
  const valid = new Map<string, GivenOutputs>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("runs")
      .innerJoin("results", "results.attempt_id", "runs.result_attempt")
      .select(["runs.id", "results.attempt_id", "results.outputs_hash"])
      .where("runs.id", "in", portion)
      .where("runs.state", "=", "done")
      .execute();
    for (const { id, attempt_id, outputs_hash } of rows) {
      valid.set(id, { run_id: id, attempt_id, sha256: outputs_hash });
    }
  }
  return valid;
}
