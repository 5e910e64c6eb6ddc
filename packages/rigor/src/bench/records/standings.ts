import type { Kysely } from "kysely";
import { shortId } from "../../domain/format/words.ts";
import type { RunState } from "../../domain/lifecycle.ts";
import type { RunRecord } from "../../domain/records.ts";
import { reference, type HeldNeed } from "../../domain/rules/experiment-rules.ts";
import { standingOf } from "../../domain/rules/need-rules.ts";
import type { Database } from "../../store/tables.ts";
import { experimentById } from "./experiment-queries.ts";
import type { PlacedRun } from "./placed-runs.ts";
import { runsById } from "./run-queries.ts";

/** Where runs that have not ended well stand, by what they need and what that needs in turn. */
export async function standingsOf(db: Kysely<Database>, runs: readonly PlacedRun[]): Promise<Map<string, RunState>> {
  const open = runs.filter(({ state }) => state === "pending" || state === "invalid").map(({ run_id }) => run_id);
  const known = await withNeeded(db, open);
  const standings = new Map<string, RunState>();
  const standing = (run: RunRecord): RunState => {
    const found = standings.get(run.id);
    if (found !== undefined) return found;
    const needed = Object.values(run.needs).flatMap((id) => {
      const other = known.get(id);
      return other === undefined ? [] : [{ state: standing(other), isValid: other.state === "done" }];
    });
    const state = standingOf(run, needed);
    standings.set(run.id, state);
    return state;
  };
  for (const id of open) {
    const run = known.get(id);
    if (run !== undefined) standing(run);
  }
  return standings;
}

/**
 * Held runs of other experiments that runs wait for, which somebody must release.
 *
 * @param standings where the runs stand
 */
export async function heldNeeds(
  db: Kysely<Database>,
  runs: readonly PlacedRun[],
  standings: ReadonlyMap<string, RunState>,
): Promise<HeldNeed[]> {
  const waiting = runs.filter(({ run_id, state }) => state !== "held" && standings.get(run_id) === "held");
  const own = new Set(runs.map(({ run_id }) => run_id));
  const known = await withNeeded(
    db,
    waiting.map(({ run_id }) => run_id),
  );
  const held = [...known.values()].filter(({ id, state }) => state === "held" && !own.has(id));
  return Promise.all(
    held.map(async ({ id, reason, experiment_id }) => ({
      run: shortId(id),
      experiment: reference(await experimentById(db, experiment_id)),
      why: reason?.message ?? "no reason is known",
    })),
  );
}

/** The given runs, those that they need, those that these need, and so on. */
async function withNeeded(db: Kysely<Database>, runIds: readonly string[]): Promise<Map<string, RunRecord>> {
  const known = new Map<string, RunRecord>();
  let next = [...runIds];
  while (next.length > 0) {
    const found = await runsById(db, next);
    for (const [id, run] of found) known.set(id, run);
    const needed = new Set([...found.values()].flatMap(({ needs }) => Object.values(needs)));
    next = [...needed].filter((id) => !known.has(id));
  }
  return known;
}
