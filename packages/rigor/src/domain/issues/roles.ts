import type { WorkKind } from "./facts.ts";
import type { RoleName } from "./records.ts";
import type { SubmissionKind } from "./submissions.ts";

/** What a role hands in, and what it judges. */
export interface RoleWork {
  submits: SubmissionKind;
  /** The kind of work that it makes, whose concerns it answers. */
  makes: WorkKind | null;
  /** The kind of work that it reviews, whose concerns it settles. */
  reviews: WorkKind | null;
}

const author = (submits: SubmissionKind, makes: WorkKind | null): RoleWork => ({ submits, makes, reviews: null });
const reviewer = (reviews: WorkKind): RoleWork => ({ submits: "review", makes: null, reviews });

export const roleWork: Record<Exclude<RoleName, "investigator">, RoleWork> = {
  clarifier: author("clarification", null),
  planner: author("plan", "plan"),
  "methodology-critic": reviewer("plan"),
  "statistics-critic": reviewer("plan"),
  "alternatives-critic": reviewer("plan"),
  implementer: author("change", "change"),
  "code-reviewer": reviewer("change"),
  tester: reviewer("change"),
  analyzer: author("result", "result"),
  "interpretation-critic": reviewer("result"),
  "follow-up-proposer": author("proposals", null),
};

/** The reviewer that also looks after what persons found, by kind of work. */
export const firstReviewer: Record<WorkKind, RoleName> = {
  plan: "methodology-critic",
  change: "code-reviewer",
  result: "interpretation-critic",
};
