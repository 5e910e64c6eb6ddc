import { canonicalJson, type Json } from "../canonical.ts";
import type { Experiment } from "../experiment.ts";
import type { ExperimentRecord } from "../records.ts";
import { spentIn, type Spent } from "./agent-budget.ts";
import type { AgentSettings } from "./agent-settings.ts";
import type { ParentFacts } from "./amendment.ts";
import type {
  ConcernRecord,
  GateName,
  GateRecord,
  IssueCheckName,
  IssueCheckRecord,
  IssueRecord,
  RoleName,
  SessionRecord,
  SubmissionRecord,
} from "./records.ts";
import type { SubmissionContent, SubmissionKind } from "./submissions.ts";

/** All that is known of an issue when its next step is asked for. Lists are in the order of their numbers or times. */
export interface IssueFacts {
  issue: IssueRecord;
  submissions: readonly SubmissionRecord[];
  concerns: readonly ConcernRecord[];
  gates: readonly GateRecord[];
  sessions: readonly SessionRecord[];
  checks: readonly IssueCheckRecord[];
  /** The design of the newest plan; null before a plan, and for a plan that measures nothing. */
  design: Experiment | null;
  /** The experiment that its plan became; the newest where its code was mended. */
  experiment: Pick<ExperimentRecord, "id" | "state" | "hold"> | null;
  /** Evidence of runs of the experiment that failed because of their code, one line each. */
  code_failures: readonly string[];
  /** The finished issue that it follows, where that measured something. */
  parent: ParentFacts | null;
  settings: AgentSettings;
  /** What `rigor.yaml` names by now: the id of each compute, which tells where it is and how it is reached and used. */
  computes: Readonly<Record<string, string>>;
  /** When this was looked at, ISO 8601 in UTC. */
  now: string;
  /** What all agents used on this day. */
  spent_today: Spent;
  /** Sessions of agents that are at work in the whole lab, those of investigations among them. */
  busy_agents: number;
}

export type WorkKind = "plan" | "change" | "result";

export type Submitted<Kind extends SubmissionKind> = SubmissionRecord & { content: SubmissionContent<Kind> };

/** What was handed in of a kind, in the order of its numbers. */
export const allOf = <Kind extends SubmissionKind>(
  facts: Pick<IssueFacts, "submissions">,
  kind: Kind,
): Submitted<Kind>[] =>
  // The content was checked against the schema of its kind when it was written.
  facts.submissions.filter((one): one is Submitted<Kind> => one.kind === kind);

export function newest<Kind extends SubmissionKind>(
  facts: Pick<IssueFacts, "submissions">,
  kind: Kind,
): Submitted<Kind> | null {
  return allOf(facts, kind).at(-1) ?? null;
}

/** Whether the newest plan is its parent's with one variable changed: no session has written it. */
export const isInherited = (facts: IssueFacts): boolean => newest(facts, "plan")?.session_id === null;

export const count = (facts: IssueFacts, kind: SubmissionKind): number =>
  facts.submissions.filter((one) => one.kind === kind).length;

export const visits = (facts: IssueFacts, state: IssueRecord["state"]): number => facts.issue.visits[state] ?? 0;

export function reviewOf(facts: IssueFacts, role: RoleName, subject: string): SubmissionRecord | undefined {
  return facts.submissions.findLast((one) => one.kind === "review" && one.role === role && one.subject === subject);
}

const verdictOf = (review: SubmissionRecord): string => (review.content as SubmissionContent<"review">).verdict;

export function checkOf(facts: IssueFacts, name: IssueCheckName, subject: string): IssueCheckRecord | undefined {
  return facts.checks.find((one) => one.name === name && one.subject === subject);
}

/** What a check that passed found out last; null where it has not passed. */
export function passedLast(checks: readonly IssueCheckRecord[], name: IssueCheckName): Json {
  return checks.findLast((one) => one.name === name && one.passed)?.details ?? null;
}

export const sameBinding = (a: Json, b: Json): boolean => canonicalJson(a) === canonicalJson(b);

/** What a person decided about exactly this, the newest first. */
export function decisionOn(facts: IssueFacts, name: GateName, binding: Json): GateRecord | undefined {
  return facts.gates.findLast(
    (gate) => gate.name === name && gate.state === "decided" && sameBinding(gate.binding, binding),
  );
}

/**
 * Findings about a kind of work that forbid to go on. One that its author has answered is for the reviewer to settle:
 * a review that leaves it unsettled is not taken.
 */
export function openBlockers(facts: IssueFacts, about: WorkKind): ConcernRecord[] {
  return facts.concerns.filter((one) => one.about === about && one.severity === "blocker" && one.state === "open");
}

/** What its author has to answer before it may go on. */
export function openConcerns(facts: Pick<IssueFacts, "concerns">, about: WorkKind): ConcernRecord[] {
  return facts.concerns.filter((one) => one.about === about && one.state === "open" && one.severity !== "nit");
}

/** What was found and is neither mended nor waived, whatever its weight. */
export function unsettled(facts: Pick<IssueFacts, "concerns">, about: WorkKind): ConcernRecord[] {
  return facts.concerns.filter((one) => one.about === about && one.state !== "verified" && one.state !== "waived");
}

/** So many concerns are told one by one, each in so many characters. */
const mostTold = { concerns: 5, characters: 300 };

/** Why a limit has stopped a piece of work, for the person who is asked: the rule, and what is open. */
export function capText(facts: IssueFacts, about: WorkKind, rule: string): string {
  const open = openConcerns(facts, about);
  const told = open.slice(0, mostTold.concerns).map(({ number, source, location, evidence }) => {
    const words = evidence.replaceAll(/\s+/g, " ").slice(0, mostTold.characters);
    return `Concern ${number} (${source}, ${location}): ${words}`;
  });
  const more = open.length - told.length;
  return [rule, ...told, ...(more > 0 ? [`And ${more} more.`] : [])].join("\n");
}

/** Whether reviews, checks or open blockers send this piece of work back to its author. */
export function isRefused(facts: IssueFacts, about: WorkKind, subject: string, roles: readonly RoleName[]): boolean {
  const waived = facts.gates.some((gate) => gate.choice === "waive" && sameBinding(gate.binding, { [about]: subject }));
  if (waived) return false;
  return openBlockers(facts, about).length > 0 || roles.some((role) => isSentBack(facts, about, role, subject));
}

/** A review sends back as long as anything of what it asked for is not waived. */
function isSentBack(facts: IssueFacts, about: WorkKind, role: RoleName, subject: string): boolean {
  const review = reviewOf(facts, role, subject);
  const isAskedFor = facts.concerns.some(
    (one) => one.about === about && one.source === role && one.state === "open" && one.severity !== "nit",
  );
  return review !== undefined && verdictOf(review) === "revise" && isAskedFor;
}

/** How many pieces of work were sent back by these roles or checks. */
export function roundsLost(facts: IssueFacts, roles: readonly RoleName[], checks: readonly IssueCheckName[]): number {
  const bySessions = facts.submissions.filter(
    (one) => one.kind === "review" && roles.includes(one.role) && verdictOf(one) === "revise",
  );
  const byCode = facts.checks.filter((one) => checks.includes(one.name) && !one.passed && !one.fault);
  return new Set([...bySessions.map((one) => one.subject), ...byCode.map((one) => one.subject)]).size;
}

/** How often a person wanted another round in spite of a cap. */
export const extraRounds = (facts: IssueFacts, name: GateName): number =>
  facts.gates.filter((gate) => gate.name === name && gate.choice === "revise").length;

/** What the issue's agents used. */
export const spent = (facts: IssueFacts): Spent => spentIn(facts.sessions);
