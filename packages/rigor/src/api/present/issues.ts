import type { Kysely } from "kysely";
import { investigationById } from "../../conductor/investigations/queries.ts";
import { gatherFacts } from "../../conductor/gather.ts";
import { commentsOn, handedInBy } from "../../conductor/queries.ts";
import { allOf, spent, type IssueFacts } from "../../domain/issues/facts.ts";
import { nextStep } from "../../domain/issues/next-step.ts";
import type { ConcernRecord, GateRecord, IssueRecord, SessionRecord } from "../../domain/issues/records.ts";
import type { IssueStep } from "../../domain/issues/steps.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import type { ConcernView, GateView, IssueSummary, IssueView, SessionView } from "../contract/views/issues.ts";
import type { ApiContext } from "../context.ts";
import { lackingDisk } from "./progress.ts";
import { timelineText } from "./timeline.ts";

type Db = Kysely<Database>;

export async function presentIssue(context: ApiContext, issueId: string): Promise<IssueSummary> {
  return summary(context, await gatherFacts(context.lab.store.db, issueId));
}

async function numberOf(db: Db, issueId: string): Promise<number | null> {
  const row = await db
    .selectFrom("issues as child")
    .innerJoin("issues as parent", "parent.id", "child.parent")
    .select("parent.number")
    .where("child.id", "=", issueId)
    .executeTakeFirst();
  return row?.number ?? null;
}

async function summary({ lab, board }: ApiContext, facts: IssueFacts): Promise<IssueSummary> {
  const { issue, gates } = facts;
  const { id, project, number, kind, title, state, reason, accepted, created_at, changed_at } = issue;
  const trouble = board.conductor.troubleOf(id);
  return {
    ...{ id, project, number, kind, title, state, reason, accepted, created_at, changed_at },
    parent: await numberOf(lab.store.db, id),
    driver: await board.issues.driverOf(id),
    waits_for: trouble === null ? nextText(nextStep(facts)) : troubleText(nextStep(facts), trouble),
    gate: gates.find((gate) => gate.state === "open")?.number ?? null,
    cost: spent(facts).cost,
  };
}

/** What happens next, for people. */
function nextText(step: IssueStep): string {
  if (step.do === "rest") return step.why;
  if (step.do === "session") return `the ${step.role} begins`;
  if (step.do === "check") return `the check ${step.check} is made`;
  if (step.do === "move") return `it goes on to ${step.to}`;
  if (step.do === "gate") return `a person is asked: ${step.gate.question}`;
  if (step.do === "withdraw") return `gate ${step.gate} is withdrawn`;
  return step.do === "stop-sessions" ? "who is at work is stopped" : "its experiment goes on";
}

/** What fails again and again is no secret of the daemon's log. */
const troubleText = (step: IssueStep, trouble: string): string =>
  `${nextText(step)}, which fails and is tried again every few seconds (see daemon.log): ${trouble}`;

export async function presentStory(context: ApiContext, issueId: string): Promise<IssueView> {
  const { db } = context.lab.store;
  const facts = await gatherFacts(db, issueId);
  const { issue, submissions, concerns, gates, sessions, checks } = facts;
  return {
    issue: await summary(context, facts),
    text: issue.text,
    change: issue.change,
    submissions: submissions.map(({ kind, number, role, hash, submitted_by, submitted_at, content }) => ({
      ...{ kind, number, role, hash, submitted_by, submitted_at, content },
    })),
    concerns: concerns.map(presentConcern),
    gates: gates.map((gate) => presentGate(gate, issue)),
    sessions: await Promise.all(sessions.map((session) => presentSession(context, session, issue.number))),
    checks: checks.map(({ name, subject, passed, fault, findings, checked_at }) => ({
      name,
      subject,
      passed,
      fault,
      findings,
      checked_at,
    })),
    experiment: await experimentName(db, facts),
    lacks_room: lackingDisk(context.lab),
    comments: await commentsOn(db, issueId),
    timeline: await timeline(db, facts),
  };
}

function presentConcern(concern: ConcernRecord): ConcernView {
  const { number, about, severity, state, source, location, evidence, fix, answer, settled } = concern;
  return { number, about, severity, state, source, location, evidence, fix, answer, settled };
}

async function experimentName(db: Db, { experiment }: IssueFacts): Promise<string | null> {
  if (experiment === null) return null;
  const row = await db
    .selectFrom("experiments")
    .select(["name", "version"])
    .where("id", "=", experiment.id)
    .executeTakeFirstOrThrow();
  return `${row.name}@${row.version}`;
}

async function timeline(db: Db, { issue, sessions, submissions }: IssueFacts): Promise<IssueView["timeline"]> {
  const rows = await db
    .selectFrom("events")
    .select(["time", "actor", "kind", "data", "entity"])
    .where("entity", "in", [issue.id, ...sessions.map((one) => one.id)])
    .orderBy("position")
    .execute();
  const roles = new Map(sessions.map((one) => [one.id, one.role]));
  const documents = allOf({ submissions }, "result").map(({ content }) => content.document);
  return rows.flatMap(({ time, actor, kind, data, entity }) => {
    const text = timelineText(kind, JSON.parse(data) as Record<string, unknown>, {
      role: roles.get(entity) ?? null,
      documents,
    });
    return text === null ? [] : [{ time, actor, kind, text }];
  });
}

export function presentGate(gate: GateRecord, issue: Pick<IssueRecord, "number" | "project" | "title">): GateView {
  const { number, name, state, question, why, options, evidence, choice, reason, opened_at, decided_at, decided_by } =
    gate;
  return {
    ...{ number, name, state, question, why, options, evidence, choice, reason, opened_at, decided_at, decided_by },
    issue: issue.number,
    project: issue.project,
    title: issue.title,
  };
}

export async function presentSession(
  { board, lab }: Pick<ApiContext, "board" | "lab">,
  session: SessionRecord,
  issue: number | null,
): Promise<SessionView> {
  const { db } = lab.store;
  const { id, role, backend, model, state, outcome, evidence, next, usage, refused, started_at, ended_at } = session;
  const work = await handedInBy(db, session);
  return {
    ...{ id, role, backend, model, state, outcome, evidence, next, refused, started_at, ended_at },
    usage,
    issue,
    investigation: session.issue_id === null ? (await investigationById(db, session.subject)).number : null,
    machine: await board.issues.machineOf(session.member),
    handed_in: work === null ? null : { kind: work.kind, number: work.number },
  };
}

/** Sessions that persons have to do, once their workspace is ready. */
export async function personsWork(db: Db): Promise<{ session: SessionRecord; issue: IssueRecord }[]> {
  const rows = await db
    .selectFrom("sessions")
    .selectAll()
    .where("backend", "=", "human")
    .where("state", "=", "running")
    .orderBy("started_at")
    .execute();
  const sessions = rows.map((row) => decodeRow("sessions", row));
  const ids = sessions.flatMap((one) => one.issue_id ?? []);
  if (ids.length === 0) return [];
  const issues = await db.selectFrom("issues").selectAll().where("id", "in", ids).execute();
  const byId = new Map(issues.map((row) => [row.id, decodeRow("issues", row)]));
  return sessions.flatMap((session) => {
    const issue = byId.get(session.issue_id ?? "");
    return issue === undefined ? [] : [{ session, issue }];
  });
}
