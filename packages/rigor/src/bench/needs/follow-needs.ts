import { sql, type Kysely } from "kysely";
import type { DomainEvent } from "../../domain/events/registry.ts";
import type { AttemptRecord, ExperimentRecord, GivenOutputs, RunRecord } from "../../domain/records.ts";
import { followNeeds, type NeededRun } from "../../domain/rules/need-rules.ts";
import { resumeExperiment } from "../../domain/rules/person-rules.ts";
import type { Transaction } from "../../store/store.ts";
import { portions } from "../../store/portions.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import { validOutputs } from "./given-outputs.ts";
import { runsById, wantedRuns } from "../records/run-queries.ts";

type Db = Kysely<Database>;

/**
 * Writes, in the turn of what happened to runs, what follows from it for those that need them, and for what these were
 * needed for. Every turn of the lab ends with it, so nobody who changes a run has to remember it.
 */
export async function followInTurn(transaction: Transaction): Promise<void> {
  const { db } = transaction;
  let changed = new Set(transaction.events.filter(({ kind }) => kind.startsWith("run.")).map(({ entity }) => entity));
  if (changed.size === 0 || !(await hasNeedingRuns(db))) return;
  await transaction.append(await forThoseThatWaited(db, transaction.events));
  while (changed.size > 0) {
    const affected = [...changed.union(await runsNeeding(db, [...changed]))];
    const events = await eventsFor(db, affected);
    await transaction.append(events);
    await transaction.append(await forTheirExperiments(db, events));
    changed = new Set(events.map(({ entity }) => entity));
  }
}

/** Asked in every turn. SQLite compiles a statement anew each time that its limit is bound; this one has it in its text. */
async function hasNeedingRuns(db: Db): Promise<boolean> {
  return (await db.selectFrom("needs").select("folder").limit(sql.lit(1)).executeTakeFirst()) !== undefined;
}

async function runsNeeding(db: Db, runIds: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const portion of portions(runIds)) {
    const rows = await db.selectFrom("needs").select("run_id").distinct().where("needed", "in", portion).execute();
    for (const row of rows) found.add(row.run_id);
  }
  return found;
}

async function eventsFor(db: Db, runIds: readonly string[]): Promise<DomainEvent[]> {
  const runs = [...(await runsById(db, runIds)).values()].filter(({ needs }) => Object.keys(needs).length > 0);
  const neededIds = [...new Set(runs.flatMap(({ needs }) => Object.values(needs)))];
  const [states, valid, given, wanted] = [
    await runsById(db, neededIds),
    await validOutputs(db, neededIds),
    await givenTo(db, runs),
    await wantedRuns(
      db,
      runs.map(({ id }) => id),
    ),
  ];
  return runs.flatMap((run) => {
    const needed = Object.entries(run.needs).flatMap(([folder, id]): NeededRun[] => {
      const other = states.get(id);
      return other === undefined ? [] : [{ folder, run: other, valid: valid.get(id) ?? null }];
    });
    return followNeeds(run, needed, given.get(run.id) ?? {}, wanted.has(run.id));
  });
}

/** What the attempts were given that made the results of runs. */
async function givenTo(
  db: Db,
  runs: readonly Pick<RunRecord, "id" | "result_attempt">[],
): Promise<Map<string, Record<string, GivenOutputs>>> {
  const given = new Map<string, Record<string, GivenOutputs>>();
  const attempts = runs.flatMap(({ result_attempt }) => result_attempt ?? []);
  for (const portion of portions(attempts)) {
    const rows = await db.selectFrom("attempts").select(["run_id", "needs"]).where("id", "in", portion).execute();
    for (const row of rows) {
      given.set(row.run_id, decodeRow("attempts", row).needs satisfies AttemptRecord["needs"]);
    }
  }
  return given;
}

/**
 * A decision that rests on a run which lost its result is made anew; an experiment that is held because runs have none
 * goes on when they come back.
 */
async function forTheirExperiments(db: Db, events: readonly DomainEvent[]): Promise<DomainEvent[]> {
  const lost = events.filter(({ kind }) => kind === "run.invalidated").map(({ entity }) => entity);
  const back = events.filter(({ kind }) => /^run\.(requeued|restored)$/.test(kind)).map(({ entity }) => entity);
  const reopened = (await askingFor(db, lost)).filter(({ state }) => state === "decided");
  const released = (await askingFor(db, back)).filter(
    ({ state, hold }) => state === "held" && hold?.code === "runs-failed",
  );
  return [
    ...reopened.flatMap((one) => resumeExperiment(one, "a run that its results rest on does not count any more")),
    ...released.flatMap((one) => resumeExperiment(one, "what its runs need is on its way")),
  ];
}

/** An experiment that is held for held runs of others goes on when one of these is released, or has no way to a result. */
async function forThoseThatWaited(db: Db, events: readonly { kind: string; entity: string }[]): Promise<DomainEvent[]> {
  const moved = events.filter(({ kind }) => /^run\.(released|cancelled)$/.test(kind)).map(({ entity }) => entity);
  const waiting = new Set<string>();
  for (let next = moved; next.length > 0;) {
    const needing = (await runsNeeding(db, next)).difference(waiting);
    for (const id of needing) waiting.add(id);
    next = [...needing];
  }
  const held = (await askingFor(db, [...waiting])).filter(({ hold }) => hold?.code === "runs-held");
  return held.flatMap((one) => resumeExperiment(one, "what its runs wait for is held no more"));
}

async function askingFor(db: Db, runIds: readonly string[]): Promise<ExperimentRecord[]> {
  const found = new Map<string, ExperimentRecord>();
  for (const portion of portions(runIds)) {
    const rows = await db
      .selectFrom("experiments")
      .selectAll()
      .where("id", "in", db.selectFrom("placements").select("experiment_id").where("run_id", "in", portion))
      .execute();
    for (const row of rows) found.set(row.id, decodeRow("experiments", row));
  }
  return [...found.values()];
}
