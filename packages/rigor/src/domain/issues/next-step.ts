import { canonicalJson } from "../canonical.ts";
import { reviewCode, implement, test } from "./code-steps.ts";
import { spendsOn, usedUp } from "./agent-budget.ts";
import { bindingChanges } from "./binding.ts";
import { spent, type IssueFacts } from "./facts.ts";
import type { IssueState } from "./issue-lifecycle.ts";
import { clarify, plan, reviewPlan } from "./plan-steps.ts";
import type { GateRecord } from "./records.ts";
import { analyze, promote, reviewResult, runExperiment, verify } from "./result-steps.ts";
import { block, cancelOption, makeCheck, mendFault, move, option, rest, type IssueStep } from "./steps.ts";

/**
 * The next step of an issue. Pure: the same facts always give the same step, so it can be asked again after every
 * event and after every restart. Nothing else moves an issue.
 */
export function nextStep(facts: IssueFacts): IssueStep {
  const { issue } = facts;
  if (issue.state === "done") return rest("it is done");
  if (issue.state === "cancelled") {
    return nobodyWorks(facts) ?? makeCheck(facts, "clean-up", "cancelled") ?? rest("it is cancelled");
  }
  if (issue.state === "on-hold") return nobodyWorks(facts) ?? rest(`it is on hold: ${issue.reason}`);
  const overrun = overrunning(facts);
  if (overrun !== null) return overrun;
  const step =
    issue.state === "blocked" ? rest(issue.reason) : (overspent(facts) ?? mendFault(facts) ?? ways[issue.state](facts));
  const open = facts.gates.find((gate) => gate.state === "open");
  if (open === undefined) return step.do === "move" ? (nobodyLeft(facts) ?? step) : step;
  // While a person is asked, nothing goes on; but what is asked must still be what would be asked now.
  const isAskedStill =
    issue.state === "blocked" ||
    (step.do === "gate" &&
      step.gate.name === open.name &&
      canonicalJson(step.gate.binding) === canonicalJson(open.binding));
  if (isAskedStill) return rest(`it waits for a person at gate ${open.number}: ${open.question}`);
  return { do: "withdraw", gate: open.number, reason: whyWithdrawn(open, step) };
}

/** What has happened to the question of a gate, given what is to be done now. */
function whyWithdrawn(open: GateRecord, step: IssueStep): string {
  if (step.do === "move") return `Nobody has to answer it any more. ${step.reason}`;
  if (step.do !== "gate") return "Something has to be done before it can be asked.";
  if (step.gate.name !== open.name) return `Something else is asked now: ${step.gate.question}`;
  return `What it asked about has changed: ${bindingChanges(open.binding, step.gate.binding).join("; ")}.`;
}

const nobodyWorks = ({ sessions, issue }: IssueFacts): IssueStep | null =>
  sessions.every((one) => one.state === "ended")
    ? null
    : { do: "stop-sessions", whose: "all", reason: `Nobody is to work on issue ${issue.number} like this any more.` };

/**
 * Before an issue moves on: work that was taken away from somebody, as when an approval is lost, is not handed in later;
 * who has handed in comes to an end.
 */
function nobodyLeft(facts: IssueFacts): IssueStep | null {
  const live = facts.sessions.filter((one) => one.state !== "ended");
  if (live.some((one) => one.submission_id === null)) return nobodyWorks(facts);
  const [last] = live;
  return last === undefined ? null : rest(`the ${last.role} has handed in, and comes to its end`);
}

type Way = (facts: IssueFacts) => IssueStep;

/** What is done in each state. */
const ways: Record<Exclude<IssueState, "done" | "cancelled" | "on-hold" | "blocked">, Way> = {
  proposed: ({ issue }) =>
    issue.accepted
      ? move("clarifying", "It was accepted.")
      : rest(`it is a proposal: rigor issue accept ${issue.number}`),
  clarifying: clarify,
  planning: plan,
  "plan-review": reviewPlan,
  implementing: implement,
  "code-review": reviewCode,
  testing: test,
  running: runExperiment,
  verifying: verify,
  analyzing: analyze,
  "result-review": reviewResult,
  promotion: promote,
};

/** How many times its budget an issue may use by now. */
const timesRaised = ({ gates }: IssueFacts): number =>
  gates.filter((gate) => gate.name === "budget-used" && gate.choice === "raise").length + 1;

/** Agents that are at work together stop when a budget is used up, and not when each comes to its own limit. */
function overrunning(facts: IssueFacts): IssueStep | null {
  if (!facts.sessions.some(spendsOn)) return null;
  const { budget } = facts.settings;
  const [ofIssue, ofDay] = [
    usedUp(spent(facts), budget.issue, timesRaised(facts)),
    usedUp(facts.spent_today, budget.day),
  ];
  if (ofIssue === null && ofDay === null) return null;
  const used = ofIssue === null ? `${ofDay} of this day's budget` : `${ofIssue} of this issue's budget`;
  return { do: "stop-sessions", whose: "agents", reason: `Agents have used ${used}.` };
}

/** Agents have used what the issue may use. */
function overspent(facts: IssueFacts): IssueStep | null {
  const { budget } = facts.settings;
  const times = timesRaised(facts);
  const used = usedUp(spent(facts), budget.issue, times);
  if (used === null || facts.issue.state === "proposed") return null;
  return block({
    name: "budget-used",
    question: `The sessions of this issue have used ${used}. Go on?`,
    why: "Its budget for agents is used up (agents.budget.issue in rigor.yaml).",
    options: [option("raise", "It may use as much again."), cancelOption],
    binding: { budget: { ...budget.issue }, times },
  });
}
