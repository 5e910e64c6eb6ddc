import type { Kysely } from "kysely";
import type { Json } from "../../domain/canonical.ts";
import { RigorError } from "../../domain/errors.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import type { InvestigationEvent, LogEntry } from "./directory.ts";

/** Reads of the table of investigations. Each takes the database or a transaction. */

type Db = Kysely<Database>;

export async function lastInvestigationNumber(db: Db): Promise<number> {
  const row = await db
    .selectFrom("investigations")
    .select(({ fn }) => fn.max("number").as("last"))
    .executeTakeFirst();
  return row?.last ?? 0;
}

export async function investigationById(db: Db, id: string): Promise<InvestigationRecord> {
  const row = await db.selectFrom("investigations").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  return decodeRow("investigations", row);
}

/** @throws RigorError `not-found` */
export async function findInvestigation(db: Db, number: number): Promise<InvestigationRecord> {
  const row = await db.selectFrom("investigations").selectAll().where("number", "=", number).executeTakeFirst();
  if (row !== undefined) return decodeRow("investigations", row);
  throw new RigorError("not-found", `There is no investigation ${number}.`, { next: "See: rigor investigation list" });
}

/** Those of a repository, newest first. */
export async function investigationsOf(db: Db, project: string): Promise<InvestigationRecord[]> {
  const rows = await db
    .selectFrom("investigations")
    .selectAll()
    .where("project", "=", project)
    .orderBy("number", "desc")
    .execute();
  return rows.map((row) => decodeRow("investigations", row));
}

/** Whether the limits of agents have let an investigation begin. */
export async function hasBegun(db: Db, id: string): Promise<boolean> {
  return (await investigationById(db, id)).state !== "waiting";
}

/** Those of a machine that are in a state, the oldest first. */
export async function investigationsOn(
  db: Db,
  member: string | null,
  state: InvestigationRecord["state"],
): Promise<InvestigationRecord[]> {
  const rows = await db
    .selectFrom("investigations")
    .innerJoin("sessions", "sessions.id", "investigations.session_id")
    .selectAll("investigations")
    .where("investigations.state", "=", state)
    .where("sessions.member", "is not distinct from", member)
    .orderBy("investigations.number")
    .execute();
  return rows.map((row) => decodeRow("investigations", row));
}

/** Those whose session has ended, while they are not on record as ended; with the machine that they are on. */
export async function investigationsToEnd(db: Db): Promise<{ id: string; member: string | null }[]> {
  return db
    .selectFrom("investigations")
    .innerJoin("sessions", "sessions.id", "investigations.session_id")
    .select(["investigations.id", "sessions.member"])
    .where("investigations.state", "!=", "ended")
    .where("sessions.state", "=", "ended")
    .orderBy("investigations.number")
    .execute();
}

/** The research log, oldest entry first. */
export async function logOf(db: Db, id: string): Promise<LogEntry[]> {
  const rows = await db
    .selectFrom("events")
    .select(["time", "data"])
    .where("entity", "=", id)
    .where("kind", "=", "investigation.noted")
    .orderBy("position")
    .execute();
  return rows.map(({ time, data }) => ({ time, ...(JSON.parse(data) as { text: string }) }));
}

/** What happened in one and in its session, oldest first. */
export async function eventsOf(db: Db, { id, session_id }: InvestigationRecord): Promise<InvestigationEvent[]> {
  const rows = await db
    .selectFrom("events")
    .select(["time", "actor", "kind", "data"])
    .where("entity", "in", [id, session_id])
    .orderBy("position")
    .execute();
  return rows.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) as Json }));
}
