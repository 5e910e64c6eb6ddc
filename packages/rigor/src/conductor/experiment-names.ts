import type { Kysely } from "kysely";
import { experimentsNamed } from "../bench/records/experiment-queries.ts";
import { parseExperiment } from "../domain/files/parse-experiment.ts";
import { RigorError } from "../domain/errors.ts";
import type { IssueRecord } from "../domain/issues/records.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import { reference } from "../domain/rules/experiment-rules.ts";
import { decodeRow, type Database } from "../store/tables.ts";

type Db = Kysely<Database>;
type Plan = Pick<SubmissionContent<"plan">, "experiment_file">;

/**
 * Why an issue cannot have the name that its plan gives its experiment, a sentence each. Names are the lab's: another
 * experiment of this name would be put aside by a new version, and so would what its issue found.
 */
export async function nameProblems(db: Db, issue: Pick<IssueRecord, "id" | "number">, plan: Plan): Promise<string[]> {
  const name = nameIn(plan);
  if (name === null) return [];
  const next = `Choose another, such as ${name}-issue-${issue.number}.`;
  const own = await experimentsOf(db, issue.id);
  const other = (await experimentsNamed(db, name)).find(
    ({ id, state }) => state !== "archived" && state !== "cancelled" && !own.has(id),
  );
  if (other !== undefined) {
    return [
      `experiment_file: the name ${name} is that of ${reference(other)}, which this one would put aside. ${next}`,
    ];
  }
  const planned = (await openPlans(db, issue.id)).find((one) => nameIn(one.plan) === name);
  return planned === undefined
    ? []
    : [
        `experiment_file: the plan of issue ${planned.number} (${planned.project}) has the name ${name} already. ${next}`,
      ];
}

/**
 * Refuses to put the experiment of an issue aside that goes on, by another version under its name.
 *
 * @throws RigorError `not-possible`
 */
export async function refuseNameOfIssue(db: Db, name: string): Promise<void> {
  const own = `Give yours another \`name\`, such as ${name}-by-hand`;
  for (const present of await experimentsNamed(db, name)) {
    if (present.state === "archived" || present.state === "cancelled") continue;
    const issue = await issueRunning(db, present.id);
    if (issue === undefined) continue;
    const message = `${reference(present)} is the experiment of ${said(issue)}: a new version would put it aside.`;
    const next = `${own}. To run its failed runs again: rigor rerun ${reference(present)} --failed. `;
    throw new RigorError("not-possible", message, { next: `${next}To change its plan: rigor reject, at its gate.` });
  }
  const planned = (await openPlans(db, null)).find((one) => nameIn(one.plan) === name);
  if (planned === undefined) return;
  throw new RigorError("not-possible", `${name} is what the plan of ${said(planned)} calls its experiment.`, {
    next: `${own}.`,
  });
}

const said = ({ number, project }: Pick<IssueRecord, "number" | "project">): string => `issue ${number} (${project})`;

function nameIn({ experiment_file: text }: Plan): string | null {
  return text === null ? null : parseExperiment(text, { file: "plan" }).name;
}

/** The experiments that an issue has started. */
async function experimentsOf(db: Db, issueId: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom("issue_checks")
    .select("details")
    .where("issue_id", "=", issueId)
    .where("name", "=", "dispatch")
    .where("passed", "=", 1)
    .execute();
  const started = rows.map((row) => decodeRow("issue_checks", row).details as { experiment_id: string });
  return new Set(started.map(({ experiment_id }) => experiment_id));
}

/** The issue that goes on and has started an experiment. */
async function issueRunning(
  db: Db,
  experimentId: string,
): Promise<Pick<IssueRecord, "number" | "project"> | undefined> {
  const rows = await db
    .selectFrom("issue_checks")
    .innerJoin("issues", "issues.id", "issue_checks.issue_id")
    .select(["issues.number", "issues.project", "issue_checks.details"])
    .where("issue_checks.name", "=", "dispatch")
    .where("issues.state", "not in", ["done", "cancelled"])
    .execute();
  return rows.find((row) => {
    const { details } = decodeRow("issue_checks", row);
    return (details as { experiment_id?: string } | null)?.experiment_id === experimentId;
  });
}

/** The newest plans of issues that go on, but for one. */
async function openPlans(db: Db, exceptId: string | null): Promise<{ number: number; project: string; plan: Plan }[]> {
  const rows = await db
    .selectFrom("submissions")
    .innerJoin("issues", "issues.id", "submissions.issue_id")
    .select(["issues.number", "issues.project", "submissions.issue_id", "submissions.content"])
    .where("submissions.kind", "=", "plan")
    .where("submissions.issue_id", "is distinct from", exceptId)
    .where("issues.state", "not in", ["done", "cancelled"])
    .orderBy("submissions.number")
    .execute();
  const newest = new Map(rows.map((row) => [row.issue_id, row]));
  return [...newest.values()].map(({ number, project, content }) => ({
    number,
    project,
    plan: decodeRow("submissions", { content }).content as SubmissionContent<"plan">,
  }));
}
