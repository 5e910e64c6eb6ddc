import type { BackendName } from "./agent-settings.ts";
import type { Json } from "../canonical.ts";
import type { ConcernState, GateState, IssueState, SessionState } from "./issue-lifecycle.ts";
import type { Severity, SubmissionKind } from "./submissions.ts";

export const issueKinds = ["experiment", "code", "analysis", "survey"] as const;
export type IssueKind = (typeof issueKinds)[number];

export const roleNames = [
  "clarifier",
  "planner",
  "methodology-critic",
  "statistics-critic",
  "alternatives-critic",
  "implementer",
  "code-reviewer",
  "tester",
  "analyzer",
  "interpretation-critic",
  "follow-up-proposer",
  "investigator",
] as const;
export type RoleName = (typeof roleNames)[number];

/** The one variable in which a follow-up differs from its parent. */
export interface VariableChange {
  variable: string;
  from: string;
  to: string;
  why: string;
}

export interface IssueRecord {
  id: string;
  /** The user's repository, as a real path. */
  project: string;
  /** Counts the issues of a project from 1. */
  number: number;
  kind: IssueKind;
  title: string;
  text: string;
  state: IssueState;
  /** Why it came to its state. */
  reason: string;
  /** Where a blocked or held issue goes on. */
  resumes_at: IssueState | null;
  /** How often each state was entered; going on where it stood is no new visit. */
  visits: Partial<Record<IssueState, number>>;
  /** The issue that it follows. */
  parent: string | null;
  change: VariableChange | null;
  /** Who does the work of all its roles; null: whom rigor.yaml names. */
  backend: BackendName | null;
  /** False until a person wants it worked on. */
  accepted: boolean;
  filed_by: string;
  created_at: string;
  changed_at: string;
}

export interface SubmissionRecord {
  id: string;
  issue_id: string;
  kind: SubmissionKind;
  /** Counts the submissions of a kind from 1. */
  number: number;
  role: RoleName;
  /** SHA-256 of the content; for a change, the commit; for a result, of what it shows. */
  hash: string;
  /** For a review: hash of what was reviewed. For a document that a person edited: hash of what that was made from. */
  subject: string | null;
  content: Json;
  session_id: string | null;
  submitted_by: string;
  submitted_at: string;
}

export interface ConcernRecord {
  id: string;
  issue_id: string;
  /** Counts the concerns of an issue from 1. */
  number: number;
  /** What kind of work it is about, and the hash of what was looked at. */
  about: "plan" | "change" | "result";
  subject: string;
  severity: Severity;
  location: string;
  evidence: string;
  fix: string;
  /** A role, a check, or `person`. */
  source: string;
  session_id: string | null;
  state: ConcernState;
  /** What the author said of it last. */
  answer: string | null;
  /** Why it was verified, found still open, or waived, and by whom. */
  settled: { by: string; reason: string } | null;
  raised_at: string;
}

export interface GateOption {
  /** What a person answers: `approve`, `revise`. */
  choice: string;
  /** What happens then, as a sentence. */
  effect: string;
  /** True where a person must say why. */
  needs_reason: boolean;
}

export interface GateRecord {
  /** The number as text. */
  id: string;
  /** Counts the gates of the lab from 1: what `rigor approve` takes. */
  number: number;
  issue_id: string;
  name: GateName;
  state: GateState;
  question: string;
  why: string;
  options: GateOption[];
  /** What is decided about: a decision holds for exactly this. */
  binding: Json;
  /** What a person needs to decide: the plan, the questions, the differences. */
  evidence: Json;
  choice: string | null;
  reason: string | null;
  /** Answers to questions, in their order. */
  answers: string[];
  opened_at: string;
  decided_at: string | null;
  decided_by: string | null;
}

export const gateNames = [
  "answer-questions",
  "plan-disputed",
  "plan-approval",
  "code-disputed",
  "test-failed",
  "stage-failed",
  "runs-failed",
  "experiment-held",
  "verification-failed",
  "interpretation-disputed",
  "promotion",
  "merge-conflict",
  "session-failed",
  "budget-used",
  "check-failed",
] as const;
export type GateName = (typeof gateNames)[number];

/** What a session used. */
export interface Usage {
  turns: number;
  /** Tokens that the model was given, those that its service had cached among them. */
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  /** US dollars; null where neither the agent nor a price tells. */
  cost: number | null;
  seconds: number;
}

export const noUsage: Usage = {
  turns: 0,
  input_tokens: 0,
  cached_tokens: 0,
  output_tokens: 0,
  cost: null,
  seconds: 0,
};

export interface SessionRecord {
  /** A UUID. */
  id: string;
  /** Null for an investigation that belongs to no issue. */
  issue_id: string | null;
  role: RoleName;
  /** What it is about: the hash of what is reviewed, or the round of an author. */
  subject: string;
  backend: string;
  model: string | null;
  state: SessionState;
  /** The data directory that its files are in, among those that share the lab; null where there is only one. */
  member: string | null;
  directory: string;
  process: { pid: number; started: string } | null;
  /** How often it was interrupted and went on. */
  restarts: number;
  outcome: string | null;
  evidence: string | null;
  next: string | null;
  usage: Usage;
  /** What it tried and was refused. */
  refused: { tool: string; why: string }[];
  submission_id: string | null;
  started_at: string;
  ended_at: string | null;
}

export const issueCheckNames = [
  "amendment",
  "consistency",
  "workspace",
  "scope",
  "declared-checks",
  "duplication",
  "smoke",
  "dispatch",
  "reproducibility",
  "document",
  "merge",
  "follow-ups",
  "clean-up",
] as const;
export type IssueCheckName = (typeof issueCheckNames)[number];

/** What code found out about a step of an issue. */
export interface IssueCheckRecord {
  id: string;
  issue_id: string;
  name: IssueCheckName;
  /** Hash of what was checked. */
  subject: string;
  passed: boolean;
  /** It could not be made, through no fault of what it looks at. */
  fault: boolean;
  /** One sentence each. */
  findings: string[];
  details: Json;
  checked_at: string;
}

export interface IssueTables {
  issues: IssueRecord;
  submissions: SubmissionRecord;
  concerns: ConcernRecord;
  gates: GateRecord;
  sessions: SessionRecord;
  issue_checks: IssueCheckRecord;
}
