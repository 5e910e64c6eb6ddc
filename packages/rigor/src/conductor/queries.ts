import type { Kysely } from "kysely";
import { RigorError } from "../domain/errors.ts";
import type {
  GateRecord,
  IssueCheckName,
  IssueRecord,
  SessionRecord,
  SubmissionRecord,
} from "../domain/issues/records.ts";
import { decodeRow, type Database } from "../store/tables.ts";

/** Reads of the tables of issues. Each takes the database or a transaction. */

type Db = Kysely<Database>;

export async function issueById(db: Db, id: string): Promise<IssueRecord> {
  const row = await db.selectFrom("issues").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new RigorError("not-found", `There is no issue ${id}.`);
  return decodeRow("issues", row);
}

/** @throws RigorError `not-found` */
export async function findIssue(db: Db, project: string, number: number): Promise<IssueRecord> {
  const row = await db
    .selectFrom("issues")
    .selectAll()
    .where("project", "=", project)
    .where("number", "=", number)
    .executeTakeFirst();
  if (row === undefined) {
    throw new RigorError("not-found", `There is no issue ${number} in ${project}.`, { next: "See: rigor issue list" });
  }
  return decodeRow("issues", row);
}

export async function issuesOf(db: Db, project: string): Promise<IssueRecord[]> {
  const rows = await db.selectFrom("issues").selectAll().where("project", "=", project).orderBy("number").execute();
  return rows.map((row) => decodeRow("issues", row));
}

/** Repositories that ever had an issue. */
export async function projectsOfIssues(db: Db): Promise<string[]> {
  const rows = await db.selectFrom("issues").select("project").distinct().execute();
  return rows.map(({ project }) => project);
}

/** Issues that something may happen to: cancelled ones only until nothing is left of their work. */
export async function openIssues(db: Db): Promise<IssueRecord[]> {
  const rows = await db
    .selectFrom("issues")
    .selectAll()
    .where(({ eb, and, or, not, exists, selectFrom }) => {
      const cleanUp = selectFrom("issue_checks")
        .select("id")
        .whereRef("issue_checks.issue_id", "=", "issues.id")
        .where("name", "=", "clean-up")
        .where("subject", "=", "cancelled");
      return or([
        eb("state", "not in", ["done", "cancelled"]),
        and([eb("state", "=", "cancelled"), not(exists(cleanUp))]),
      ]);
    })
    .orderBy("created_at")
    .execute();
  return rows.map((row) => decodeRow("issues", row));
}

export async function openGates(db: Db): Promise<GateRecord[]> {
  const rows = await db.selectFrom("gates").selectAll().where("state", "=", "open").orderBy("number").execute();
  return rows.map((row) => decodeRow("gates", row));
}

/** @throws RigorError `not-found` */
export async function findGate(db: Db, number: number): Promise<GateRecord> {
  const row = await db.selectFrom("gates").selectAll().where("number", "=", number).executeTakeFirst();
  if (row === undefined) {
    throw new RigorError("not-found", `There is no gate ${number}.`, { next: "See what waits: rigor inbox" });
  }
  return decodeRow("gates", row);
}

export async function lastGateNumber(db: Db): Promise<number> {
  const row = await db
    .selectFrom("gates")
    .select(({ fn }) => fn.max("number").as("last"))
    .executeTakeFirst();
  return row?.last ?? 0;
}

/** Sessions that have not ended. */
export async function liveSessions(db: Db): Promise<SessionRecord[]> {
  const rows = await db
    .selectFrom("sessions")
    .selectAll()
    .where("state", "!=", "ended")
    .orderBy("started_at")
    .execute();
  return rows.map((row) => decodeRow("sessions", row));
}

/** What a check of an issue found when it passed last; null where it never did. */
export async function lastPassed(db: Db, issueId: string, name: IssueCheckName): Promise<unknown> {
  const row = await db
    .selectFrom("issue_checks")
    .select("details")
    .where("issue_id", "=", issueId)
    .where("name", "=", name)
    .where("passed", "=", 1)
    .orderBy("checked_at", "desc")
    .executeTakeFirst();
  return row === undefined ? null : decodeRow("issue_checks", row).details;
}

/** The newest commit that the record of an issue names, with which all others come; null before its work began. */
export async function newestCommit(db: Db, { id, parent }: Pick<IssueRecord, "id" | "parent">): Promise<string | null> {
  const change = await db
    .selectFrom("submissions")
    .select("hash")
    .where("issue_id", "=", id)
    .where("kind", "=", "change")
    .orderBy("number", "desc")
    .executeTakeFirst();
  if (change !== undefined) return change.hash;
  const made = (await lastPassed(db, id, "workspace")) as { base: string } | null;
  if (made !== null) return made.base;
  // It begins from what its parent ran.
  return parent === null ? null : newestCommit(db, { id: parent, parent: null });
}

/** The machines on which persons work in the workspace of an issue now. */
export async function personsAtWork(db: Db, issueId: string): Promise<(string | null)[]> {
  const rows = await db
    .selectFrom("sessions")
    .select("member")
    .where("issue_id", "=", issueId)
    .where("role", "=", "implementer")
    .where("backend", "=", "human")
    .where("state", "!=", "ended")
    .execute();
  return rows.map(({ member }) => member);
}

/** Sessions of a machine that have ended, whoever said so. */
export async function endedSessionsOf(db: Db, member: string): Promise<SessionRecord[]> {
  const rows = await db
    .selectFrom("sessions")
    .selectAll()
    .where("member", "=", member)
    .where("state", "=", "ended")
    .execute();
  return rows.map((row) => decodeRow("sessions", row));
}

/** The session whose id begins with the reference. @throws RigorError `not-found` or `ambiguous` */
export async function findSession(db: Db, reference: string): Promise<SessionRecord> {
  const rows = /^[0-9a-f-]{4,36}$/.test(reference)
    ? await db.selectFrom("sessions").selectAll().where("id", "like", `${reference}%`).limit(2).execute()
    : [];
  if (rows.length > 1) {
    throw new RigorError("ambiguous", `More than one session begins with ${reference}.`, { next: "Give more digits." });
  }
  const [row] = rows;
  if (row !== undefined) return decodeRow("sessions", row);
  throw new RigorError("not-found", `There is no session ${reference}.`, { next: "See: rigor session list" });
}

/** What a session handed in for its issue; null for nothing. */
export async function handedInBy(
  db: Db,
  { submission_id: id }: Pick<SessionRecord, "submission_id">,
): Promise<SubmissionRecord | null> {
  if (id === null) return null;
  const row = await db.selectFrom("submissions").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : decodeRow("submissions", row);
}

/** What was said about an issue, oldest first. */
export async function commentsOn(db: Db, issueId: string): Promise<{ actor: string; time: string; text: string }[]> {
  const rows = await db
    .selectFrom("events")
    .select(["actor", "time", "data"])
    .where("entity", "=", issueId)
    .where("kind", "=", "issue.commented")
    .orderBy("position")
    .execute();
  return rows.map(({ actor, time, data }) => ({ actor, time, ...(JSON.parse(data) as { text: string }) }));
}

/** How much is open, at work, and waiting for a person, in all repositories. */
export async function boardCounts(
  db: Db,
): Promise<{ issues: number; investigations: number; agents: number; waiting: number }> {
  const issues = await db
    .selectFrom("issues")
    .select(({ fn }) => fn.countAll<number | string>().as("count"))
    .where("state", "not in", ["done", "cancelled"])
    .executeTakeFirstOrThrow();
  const live = await liveSessions(db);
  const investigations = await db.selectFrom("investigations").select("state").where("state", "!=", "ended").execute();
  const queued = investigations.filter(({ state }) => state === "waiting").length;
  const persons = live.filter((one) => one.backend === "human").length;
  const gates = await openGates(db);
  return {
    issues: Number(issues.count),
    investigations: investigations.length,
    agents: live.length - persons - queued,
    waiting: gates.length + persons,
  };
}
