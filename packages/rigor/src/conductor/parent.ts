import type { Kysely } from "kysely";
import { RigorError } from "../domain/errors.ts";
import { parseExperiment } from "../domain/files/parse-experiment.ts";
import { amendPlan, hoursOf, valueOf, type ParentFacts } from "../domain/issues/amendment.ts";
import type { IssueRecord, VariableChange } from "../domain/issues/records.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import { decodeRow, type Database } from "../store/tables.ts";
import { lastPassed } from "./queries.ts";

type Db = Kysely<Database>;

const hour = 3_600;

/**
 * The finished issue that others follow, as they inherit it. Null where it measured nothing, or is not done.
 *
 * @param follower the issue that inherits; what it was given itself is no longer missing for it
 */
export async function inheritance(
  db: Db,
  parentId: string,
  follower: Pick<IssueRecord, "id" | "change"> | null,
): Promise<ParentFacts | null> {
  const row = await db.selectFrom("issues").select(["number", "state"]).where("id", "=", parentId).executeTakeFirst();
  const plan = await newestOf(db, parentId, "plan");
  const experiment = await experimentRun(db, parentId);
  if (row === undefined || plan === null || experiment === null || plan.experiment_file === null) return null;
  const approved = hoursOf(parseExperiment(plan.experiment_file, { file: plan.experiment_path ?? "plan" }));
  const taken = (await hoursUsed(db, experiment.id)) + (await hoursGiven(db, parentId, follower?.id ?? null));
  return {
    number: row.number,
    plan,
    experiment: `${experiment.name}@${experiment.version}`,
    commit: experiment.source.commit,
    asked_hours: askedHours(await newestOf(db, parentId, "proposals"), follower?.change ?? null),
    hours_left: approved - taken,
  };
}

/**
 * The change that a person wants of an experiment, with what it is there.
 *
 * @throws RigorError `usage` where code cannot make it
 */
export async function amendmentOf(
  db: Db,
  parent: IssueRecord | null,
  wanted: Pick<VariableChange, "variable" | "to" | "why">,
): Promise<VariableChange> {
  if (parent === null)
    throw new RigorError("usage", "A change needs the issue whose experiment it changes: --parent N.");
  const inherited = await inheritance(db, parent.id, null);
  if (inherited === null) {
    throw new RigorError(
      "usage",
      `Issue ${parent.number} has no experiment that is decided, so that nothing can be changed.`,
      {
        next: `See: rigor issue show ${parent.number}`,
      },
    );
  }
  const change = { ...wanted, from: valueOf(inherited.plan, wanted.variable) ?? "nothing" };
  const made = amendPlan(inherited, change, parent.number);
  if ("plan" in made) return change;
  throw new RigorError("usage", `The plan of issue ${parent.number} cannot be amended by code: ${made.problem}`, {
    next: "Name the path of a key in its experiment file and a value as YAML, or leave the change away: then it is planned.",
  });
}

async function newestOf<Kind extends "plan" | "proposals">(
  db: Db,
  issueId: string,
  kind: Kind,
): Promise<SubmissionContent<Kind> | null> {
  const row = await db
    .selectFrom("submissions")
    .select("content")
    .where("issue_id", "=", issueId)
    .where("kind", "=", kind)
    .orderBy("number", "desc")
    .executeTakeFirst();
  // It was checked against the schema of its kind when it was written.
  return row === undefined ? null : (decodeRow("submissions", row).content as SubmissionContent<Kind>);
}

async function experimentRun(db: Db, issueId: string) {
  const started = (await lastPassed(db, issueId, "dispatch")) as { experiment_id: string } | null;
  if (started === null) return null;
  const found = await db
    .selectFrom("experiments")
    .select(["id", "name", "version", "source"])
    .where("id", "=", started.experiment_id)
    .where("state", "=", "decided")
    .executeTakeFirst();
  return found === undefined ? null : decodeRow("experiments", found);
}

/** GPU hours that the runs of an experiment have used. */
async function hoursUsed(db: Db, experimentId: string): Promise<number> {
  const rows = await db
    .selectFrom("attempts")
    .select(["resources", "duration"])
    .where("experiment_id", "=", experimentId)
    .execute();
  const seconds = rows.map((row) => (row.duration ?? 0) * decodeRow("attempts", row).resources.gpus);
  return seconds.reduce((sum, one) => sum + one, 0) / hour;
}

/** GPU hours that other follow-ups of an issue were given with the plan that they inherited. */
async function hoursGiven(db: Db, parentId: string, followerId: string | null): Promise<number> {
  const rows = await db
    .selectFrom("issue_checks")
    .innerJoin("issues", "issues.id", "issue_checks.issue_id")
    .select(["issue_checks.details", "issue_checks.issue_id"])
    .where("issues.parent", "=", parentId)
    .where("issues.state", "!=", "cancelled")
    .where("issue_checks.name", "=", "amendment")
    .where("issue_checks.passed", "=", 1)
    .execute();
  const others = rows.filter((row) => row.issue_id !== followerId);
  return others.reduce(
    (sum, row) => sum + (decodeRow("issue_checks", row).details as { gpu_hours: number }).gpu_hours,
    0,
  );
}

/** What the proposal of a change asked for. */
function askedHours(proposals: SubmissionContent<"proposals"> | null, change: VariableChange | null): number | null {
  const found = proposals?.proposals.find(
    (one) => one.change.variable === change?.variable && one.change.to === change.to,
  );
  return found?.gpu_hours ?? null;
}
