import type { Json } from "../canonical.ts";
import { hoursOf } from "./amendment.ts";
import { changedSince } from "./binding.ts";
import {
  capText,
  count,
  decisionOn,
  extraRounds,
  isInherited,
  isRefused,
  newest,
  reviewOf,
  roundsLost,
  visits,
  type IssueFacts,
} from "./facts.ts";
import type { IssueRecord, RoleName } from "./records.ts";
import { ask, cancelOption, firstOf, makeCheck, move, option, work, type IssueStep } from "./steps.ts";

export const planCritics: readonly RoleName[] = ["methodology-critic", "statistics-critic", "alternatives-critic"];

/** Blocking questions from which on a person is asked. */
const blockingQuestions = 2;

export function clarify(facts: IssueFacts): IssueStep {
  const { issue } = facts;
  const amendment = isFollowUp(issue) ? makeCheck(facts, "amendment", issue.id) : null;
  if (amendment !== null) return amendment;
  if (isInherited(facts)) return move("planning", "It inherits the plan of its parent, with one variable changed.");
  const found = newest(facts, "clarification");
  const open = work(facts, "clarifier", "1", found !== null);
  if (open !== null || found === null) return open ?? unreachable();
  const blocking = found.content.questions.filter((one) => one.blocking).length;
  if (blocking < blockingQuestions) return move("planning", "It is clear enough; assumptions are listed.");
  const binding = { clarification: found.hash };
  if (decisionOn(facts, "answer-questions", binding)?.choice === "answer") {
    return move("planning", "Its questions were answered.");
  }
  return ask({
    name: "answer-questions",
    question: `Issue ${issue.number} leaves ${blocking} questions open. What do you mean?`,
    why: "With the wrong answer the work would be wasted.",
    options: [option("answer", "Planning starts; an empty answer takes the proposed one."), cancelOption],
    binding,
  });
}

/** One plan for each time that planning was entered. */
export function plan(facts: IssueFacts): IssueStep {
  const round = visits(facts, "planning");
  const open = work(facts, "planner", String(round), count(facts, "plan") >= round);
  if (open !== null) return open;
  if (facts.issue.kind === "survey") return move("analyzing", "A survey measures nothing itself.");
  return move("plan-review", "A plan was handed in.");
}

export function reviewPlan(facts: IssueFacts): IssueStep {
  const found = newest(facts, "plan") ?? unreachable();
  const critics = isInherited(facts) ? [] : planCritics;
  const open = firstOf([
    makeCheck(facts, "consistency", found.hash),
    ...critics.map((role) => work(facts, role, found.hash, reviewOf(facts, role, found.hash) !== undefined)),
  ]);
  if (open !== null) return open;
  if (isRefused(facts, "plan", found.hash, critics)) return sendBack(facts, found.hash, critics);
  if (isApproved(facts)) return move(afterApproval(facts), needsNobody(facts) ?? "A person approved the plan.");
  if (decisionOn(facts, "plan-approval", planBinding(facts))?.choice === "revise") {
    return move("planning", "A person wants another plan.");
  }
  return ask({
    name: "plan-approval",
    question: `Carry out the plan of issue ${facts.issue.number}?`,
    why: [
      "Nothing is built or run before a person has approved exactly this plan, its budget and its compute.",
      ...changedSince(facts.gates, "plan-approval", planBinding(facts)),
    ].join("\n"),
    options: [
      option("approve", approvalEffect(facts)),
      option("revise", "The planner makes another plan, with your reason as a blocker.", true),
      cancelOption,
    ],
    binding: planBinding(facts),
  });
}

/** Nobody is asked again before the branch of an issue of kind `code` is merged or left. */
function approvalEffect(facts: IssueFacts): string {
  const { issue, settings } = facts;
  if (issue.kind !== "code") {
    if (afterApproval(facts) === "verifying") return "What was measured is verified and analyzed; nothing is run.";
    const isBuilt = newest(facts, "plan")?.content.needs_code === true;
    return isBuilt
      ? "It is built, reviewed, tested and run as planned."
      : "It is tested and run as planned, by the code that is there.";
  }
  const branch = `rigor/issue-${issue.number}`;
  const end =
    settings.promotion === "merge"
      ? "is merged into the branch that is checked out when building begins, if nobody has that checked out by then"
      : "stays, for you to merge";
  return `It is built, reviewed and tested as planned; then ${branch} ${end}.`;
}

function sendBack(facts: IssueFacts, hash: string, critics: readonly RoleName[]): IssueStep {
  const lost = roundsLost(facts, critics, ["consistency"]);
  const allowed = facts.settings.rounds.plan + extraRounds(facts, "plan-disputed");
  const wanted = decisionOn(facts, "plan-approval", planBinding(facts))?.choice === "revise";
  if (wanted) return move("planning", "A person wants another plan.");
  if (lost < allowed || decisionOn(facts, "plan-disputed", { plan: hash })?.choice === "revise") {
    return move("planning", `Plan ${count(facts, "plan")} was sent back by its review.`);
  }
  return ask({
    name: "plan-disputed",
    question: `Planner and critics of issue ${facts.issue.number} do not agree after ${lost} rounds. What now?`,
    why: capText(facts, "plan", "A limit of rounds never lets a plan through."),
    options: [
      option("revise", "One more round; your reason goes to the planner as a blocker.", true),
      option("waive", "The open blockers are waived with your reason, and the plan goes on to approval.", true),
      cancelOption,
    ],
    binding: { plan: hash },
  });
}

/** What an approval holds for: this plan, at this cost, in these places; and what becomes of code that is all there is. */
export function planBinding(facts: IssueFacts): Json {
  const found = newest(facts, "plan") ?? unreachable();
  const { design, computes, issue, settings } = facts;
  return {
    plan: found.hash,
    budget: design === null ? null : { gpu_hours: design.budget.gpu_hours, wall: design.budget.wall },
    compute: Object.fromEntries((design?.compute ?? []).map((name) => [name, computes[name] ?? null])),
    ...(issue.kind === "code" ? { promotion: settings.promotion } : {}),
  };
}

/** Whether a person approved the newest plan as it is now, or nobody has to. */
export function isApproved(facts: IssueFacts): boolean {
  return needsNobody(facts) !== null || decisionOn(facts, "plan-approval", planBinding(facts))?.choice === "approve";
}

/** Why a plan needs no person's approval; null where it does. */
function needsNobody(facts: IssueFacts): string | null {
  const { settings, design, issue, parent } = facts;
  const { gpu_hours: limit, follow_ups: mayFollow } = settings.autopilot;
  if (design === null) return null;
  // A plan that says nothing of its GPU hours may use any number.
  if (limit !== null && issue.kind === "experiment" && (design.budget.gpu_hours ?? Infinity) <= limit) {
    return "The plan is within the autopilot's GPU hours.";
  }
  const isSmall = parent !== null && hoursOf(design) <= parent.hours_left;
  return mayFollow && isInherited(facts) && isSmall ? "It needs no more than what its parent was approved for." : null;
}

function afterApproval({ issue, submissions }: IssueFacts): "implementing" | "verifying" {
  const plan = newest({ submissions }, "plan")?.content;
  const isOfWhatIsThere = plan?.needs_code === false && plan.experiment_file === null;
  return issue.kind === "analysis" && isOfWhatIsThere ? "verifying" : "implementing";
}

/** An issue that changes one variable of another one's experiment. */
const isFollowUp = ({ parent, change }: IssueRecord): boolean => parent !== null && change !== null;

export function unreachable(): never {
  throw new Error("a state of an issue was entered without what it is about");
}
