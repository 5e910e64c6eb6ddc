import { changedSince } from "./binding.ts";
import {
  capText,
  checkOf,
  count,
  decisionOn,
  extraRounds,
  isRefused,
  newest,
  openConcerns,
  passedLast,
  reviewOf,
  roundsLost,
  visits,
  type IssueFacts,
} from "./facts.ts";
import { finishChange } from "./finish-steps.ts";
import { toSettle } from "./hand-in.ts";
import { isApproved, planBinding, unreachable } from "./plan-steps.ts";
import type { GateName, IssueCheckName, RoleName, SubmissionRecord } from "./records.ts";
import { ask, cancelOption, firstOf, makeCheck, move, option, passCheck, work, type IssueStep } from "./steps.ts";

const codeChecks: readonly IssueCheckName[] = ["scope", "declared-checks", "duplication"];

/**
 * One change for each time that implementing was entered, in a workspace that starts from the approved plan; none where an
 * approval was lost and given again, and what was handed in for this plan still stands.
 */
export function implement(facts: IssueFacts): IssueStep {
  const outdated = withoutApproval(facts);
  if (outdated !== null) return outdated;
  const plan = newest(facts, "plan") ?? unreachable();
  const workspace = passCheck(facts, "workspace", plan.hash, "The workspace of the issue could not be made.");
  if (workspace !== null) return workspace;
  if (isBuilt(facts, plan.content.needs_code)) return move("code-review", "The plan needs no code.");
  const round = visits(facts, "implementing");
  const isBegun = facts.sessions.some((one) => one.role === "implementer" && one.subject === String(round));
  if (!isBegun && stands(facts, plan)) return move("code-review", "What was handed in for this plan still stands.");
  const isHandedIn = facts.sessions.some(
    (one) => one.role === "implementer" && one.subject === String(round) && one.submission_id !== null,
  );
  const open = work(facts, "implementer", String(round), isHandedIn || count(facts, "change") >= round);
  return open ?? move("code-review", "A change was handed in.");
}

/** A plan that needs no code is its own change, as long as nothing is found about it. */
function isBuilt(facts: IssueFacts, needsCode: boolean): boolean {
  const change = newest(facts, "change");
  return !needsCode && change?.hash === baseOf(facts) && openConcerns(facts, "change").length === 0;
}

/** Whether the newest change was made for this plan, and nothing sends it back. */
function stands(facts: IssueFacts, plan: SubmissionRecord): boolean {
  const change = facts.submissions.findLast((one) => one.kind === "change" || one.id === plan.id);
  return change?.kind === "change" && openConcerns(facts, "change").length === 0 && facts.code_failures.length === 0;
}

/** The commit that the workspace of the newest plan starts from. */
const baseOf = ({ checks }: IssueFacts): string | null =>
  (passedLast(checks, "workspace") as { base: string } | null)?.base ?? null;

/** Checks come first: nobody reads what does not pass them. */
export function reviewCode(facts: IssueFacts): IssueStep {
  const outdated = withoutApproval(facts);
  if (outdated !== null) return outdated;
  const change = newest(facts, "change") ?? unreachable();
  const checks = firstOf(codeChecks.map((check) => makeCheck(facts, check, change.hash)));
  if (checks !== null) return checks;
  // A review that was made counts, whatever it was asked for.
  const needsNoReview =
    isConfigurationOnly(facts, change.hash) &&
    reviewOf(facts, "code-reviewer", change.hash) === undefined &&
    toSettle(facts, "code-reviewer", "change").length === 0;
  const readers: readonly RoleName[] = needsNoReview ? [] : ["code-reviewer"];
  if (!isRefused(facts, "change", change.hash, [])) {
    const open = firstOf(
      readers.map((role) => work(facts, role, change.hash, reviewOf(facts, role, change.hash) !== undefined)),
    );
    if (open !== null) return open;
  }
  if (isRefused(facts, "change", change.hash, readers)) {
    return sendBack(facts, change.hash, "code-disputed", roundsLost(facts, ["code-reviewer"], codeChecks));
  }
  return move(
    "testing",
    readers.length === 0 ? "Only configuration was changed." : "Nothing that its review asked for is open.",
  );
}

/** The real command through the real path, as small as it goes; then somebody looks at what came out. */
export function test(facts: IssueFacts): IssueStep {
  const outdated = withoutApproval(facts);
  if (outdated !== null) return outdated;
  const change = newest(facts, "change") ?? unreachable();
  if (facts.issue.kind === "code") {
    return finishChange(facts, change.hash) ?? move("done", "The change passed its review and its checks.");
  }
  const smoke = makeCheck(facts, "smoke", change.hash);
  if (smoke !== null) return smoke;
  if (!isRefused(facts, "change", change.hash, [])) {
    const open = work(facts, "tester", change.hash, reviewOf(facts, "tester", change.hash) !== undefined);
    if (open !== null) return open;
  }
  if (isRefused(facts, "change", change.hash, ["tester"])) {
    return sendBack(facts, change.hash, "test-failed", roundsLost(facts, ["tester"], ["smoke"]));
  }
  return move("running", "The smoke run did what it should.");
}

function sendBack(
  facts: IssueFacts,
  hash: string,
  gate: GateName & ("code-disputed" | "test-failed"),
  lost: number,
): IssueStep {
  const allowed = facts.settings.rounds[gate === "code-disputed" ? "code" : "test"] + extraRounds(facts, gate);
  if (lost < allowed || decisionOn(facts, gate, { change: hash })?.choice === "revise") {
    return move("implementing", `Change ${count(facts, "change")} was sent back.`);
  }
  const what = gate === "code-disputed" ? "does not pass its review" : "fails its test";
  return ask({
    name: gate,
    question: `The code of issue ${facts.issue.number} ${what} after ${lost} rounds. What now?`,
    why: capText(facts, "change", "A limit of rounds never lets a change through."),
    options: [
      option("revise", "One more round; your reason goes to the implementer as a blocker.", true),
      option("waive", "The open blockers are waived with your reason, and the change goes on.", true),
      cancelOption,
    ],
    binding: { change: hash },
  });
}

/** Decided by what differs, not by what its author says. */
export function isConfigurationOnly(facts: IssueFacts, hash: string): boolean {
  const details = checkOf(facts, "scope", hash)?.details as { configuration_only?: boolean } | undefined;
  return details?.configuration_only === true;
}

/** Whatever was approved has changed since: the gate opens again. */
export function withoutApproval(facts: IssueFacts): IssueStep | null {
  if (isApproved(facts)) return null;
  const [changed] = changedSince(facts.gates, "plan-approval", planBinding(facts));
  return move(
    "plan-review",
    changed ?? "Its plan was approved by no person, and rigor.yaml does not approve it any more.",
  );
}
