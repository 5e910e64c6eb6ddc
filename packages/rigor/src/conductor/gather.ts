import { spentIn } from "../domain/issues/agent-budget.ts";
import { sql, type Kysely } from "kysely";
import { readSettings } from "../bench/lab/settings.ts";
import { parseExperiment } from "../domain/files/parse-experiment.ts";
import { newest, passedLast, type IssueFacts } from "../domain/issues/facts.ts";
import type { IssueCheckRecord, IssueTables, SessionRecord } from "../domain/issues/records.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import { computeId } from "../domain/rules/compute-rules.ts";
import { Roster } from "../store/roster.ts";
import { decodeRow, type Database } from "../store/tables.ts";
import { inheritance } from "./parent.ts";
import { issueById } from "./queries.ts";

type Db = Kysely<Database>;

/** All that `nextStep` looks at, as it is now. */
export async function gatherFacts(db: Db, issueId: string): Promise<IssueFacts> {
  const issue = await issueById(db, issueId);
  const { agents, compute } = readSettings(issue.project);
  const [submissions, concerns, gates, sessions, checks] = await Promise.all([
    rowsOf(db, "submissions", issueId, "submitted_at"),
    rowsOf(db, "concerns", issueId, "number"),
    rowsOf(db, "gates", issueId, "number"),
    rowsOf(db, "sessions", issueId, "started_at"),
    rowsOf(db, "issue_checks", issueId, "checked_at"),
  ]);
  const facts = { issue, submissions, concerns, gates, sessions, checks, settings: agents };
  return {
    ...facts,
    computes: Object.fromEntries(Object.entries(compute).map(([name, one]) => [name, computeId(one)])),
    design: designOf(newest(facts, "plan")?.content ?? null),
    ...(await experimentOf(db, checks)),
    now: new Date().toISOString(),
    parent: issue.parent === null ? null : await inheritance(db, issue.parent, issue),
    ...(await agentsAtWork(db)),
  };
}

async function rowsOf<Name extends Exclude<keyof IssueTables, "issues">>(
  db: Db,
  table: Name,
  issueId: string,
  order: string,
): Promise<IssueTables[Name][]> {
  const { rows } = await sql<Database[Name]>`
    select * from ${sql.table(table)} where issue_id = ${issueId} order by ${sql.ref(order)}`.execute(db);
  // The columns of the table are the members of its records.
  return rows.map((row) => decodeRow(table, row) as unknown as IssueTables[Name]);
}

/** Checked when the plan was handed in; a compute that rigor.yaml no longer has is told when the experiment is to start. */
function designOf(plan: SubmissionContent<"plan"> | null): IssueFacts["design"] {
  if (plan === null || plan.experiment_file === null) return null;
  return parseExperiment(plan.experiment_file, { file: plan.experiment_path ?? "plan" });
}

async function experimentOf(
  db: Db,
  checks: readonly IssueCheckRecord[],
): Promise<Pick<IssueFacts, "experiment" | "code_failures">> {
  const started = passedLast(checks, "dispatch") as { experiment_id: string } | null;
  if (started === null) return { experiment: null, code_failures: [] };
  const row = await db
    .selectFrom("experiments")
    .select(["id", "state", "hold"])
    .where("id", "=", started.experiment_id)
    .executeTakeFirstOrThrow();
  const experiment = decodeRow("experiments", row);
  if (experiment.state !== "held") return { experiment, code_failures: [] };
  const failed = await db
    .selectFrom("placements")
    .innerJoin("runs", "runs.id", "placements.run_id")
    .innerJoin("attempts", "attempts.id", "runs.current_attempt")
    .select(["attempts.category", "attempts.evidence"])
    .distinct()
    .where("placements.experiment_id", "=", experiment.id)
    .where("runs.state", "=", "failed")
    .execute();
  const evidence = failed.filter((one) => isOfTheCode(one.category)).map((one) => one.evidence ?? "");
  return { experiment, code_failures: [...new Set(evidence)].slice(0, 10) };
}

/** Failures that a change of the code may mend. */
const codeCategories: ReadonlySet<string> = new Set([
  "assertion",
  "bad-result",
  "missing-file",
  "missing-module",
  "non-finite",
  "unknown",
]);
const isOfTheCode = (category: string | null): boolean => category !== null && codeCategories.has(category);

/** What the limits of agents look at: {@link whyNoAgent}. */
export async function agentsAtWork(db: Db): Promise<Pick<IssueFacts, "spent_today" | "busy_agents">> {
  const today = new Date().toISOString().slice(0, 10);
  const rows = await db
    .selectFrom("sessions")
    .leftJoin("investigations", "investigations.session_id", "sessions.id")
    .select(["sessions.usage", "sessions.state", "sessions.backend", "sessions.member"])
    .select("investigations.state as investigation")
    .where(({ eb, or }) => or([eb("sessions.state", "!=", "ended"), eb("sessions.started_at", ">=", today)]))
    .execute();
  const sessions = rows.map((row) => decodeRow("sessions", row));
  const busy = sessions.filter(isAtWork);
  const isThere = await machinesThere(db, busy);
  return {
    spent_today: spentIn(sessions),
    busy_agents: busy.filter(({ member }) => isThere(member)).length,
  };
}

/** Whether a machine of these sessions has a daemon. What was at work on one that is lost keeps nobody from beginning. */
async function machinesThere(
  db: Db,
  sessions: readonly Pick<SessionRecord, "member">[],
): Promise<(member: string | null) => boolean> {
  // Nobody else can be there where the lab is not shared.
  if (sessions.every(({ member }) => member === null)) return () => true;
  const alive = new Set((await new Roster(db).daemons()).map(({ member }) => member));
  return (member) => member === null || alive.has(member);
}

/** The session of an investigation that waits has not begun. */
const isAtWork = (one: { state: string; backend: string; investigation: string | null }): boolean =>
  one.state !== "ended" && one.backend !== "human" && one.investigation !== "waiting";
