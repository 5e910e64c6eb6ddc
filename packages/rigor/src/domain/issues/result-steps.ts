import { changedSince, type CodeFate } from "./binding.ts";
import { withoutApproval } from "./code-steps.ts";
import { isEdit } from "./edit-document.ts";
import {
  capText,
  checkOf,
  count,
  decisionOn,
  extraRounds,
  isRefused,
  newest,
  passedLast,
  reviewOf,
  roundsLost,
  sameBinding,
  visits,
  type IssueFacts,
} from "./facts.ts";
import { finishChange, merge } from "./finish-steps.ts";
import { unreachable } from "./plan-steps.ts";
import type { GateName, GateRecord } from "./records.ts";
import { ask, cancelOption, move, option, passCheck, rest, work, type IssueStep } from "./steps.ts";

/** The experiment of the approved plan, at the commit that was tested. The bench goes through its stages. */
export function runExperiment(facts: IssueFacts): IssueStep {
  const outdated = withoutApproval(facts);
  if (outdated !== null) return outdated;
  const change = newest(facts, "change") ?? unreachable();
  const dispatch = passCheck(facts, "dispatch", change.hash, "The experiment could not be started.");
  if (dispatch !== null) return dispatch;
  const { experiment } = facts;
  if (experiment === null) return unreachable();
  switch (experiment.state) {
    case "decided":
      return move("verifying", "Every planned run has ended, and the experiment is decided.");
    case "held":
      return held(facts, experiment);
    case "cancelled":
    case "archived":
      return askAbout(facts, "experiment-held", `The experiment is ${experiment.state}.`, experiment.id);
    default:
      return rest(`its experiment is ${experiment.state}`);
  }
}

function held(facts: IssueFacts, experiment: NonNullable<IssueFacts["experiment"]>): IssueStep {
  const { code = "fault", reason = "it is held", since = "" } = experiment.hold ?? {};
  const what = `${experiment.id} ${since}`;
  if (code === "stage-failed") return askAbout(facts, "stage-failed", reason, what);
  if (code === "runs-failed" && facts.code_failures.length > 0) {
    const lost = roundsLost(facts, ["tester"], ["smoke"]) + visits(facts, "running");
    if (lost <= facts.settings.rounds.test + extraRounds(facts, "runs-failed")) {
      return move("implementing", `Runs failed because of their code: ${facts.code_failures[0]}`);
    }
    return askAbout(facts, "runs-failed", `${reason}: ${facts.code_failures.join("; ")}`, what);
  }
  return askAbout(facts, "experiment-held", reason, what);
}

const heldOptions = {
  retry: option("retry", "The experiment is released, or its failed runs are run again."),
  replan: option("replan", "The planner makes another plan, with your reason as a blocker.", true),
  revise: option("revise", "The implementer mends the code, with your reason as a blocker.", true),
};

function askAbout(
  facts: IssueFacts,
  name: GateName & ("stage-failed" | "runs-failed" | "experiment-held"),
  why: string,
  what: string,
): IssueStep {
  const binding = { experiment: what };
  switch (decisionOn(facts, name, binding)?.choice) {
    case "retry":
      return { do: "resume-experiment", reason: `A person wants it tried again.` };
    case "replan":
      return move("planning", "A person wants another plan.");
    case "revise":
      return move("implementing", "A person wants the code mended.");
    default:
      return ask({
        name,
        question: `The experiment of issue ${facts.issue.number} does not go on. What now?`,
        why,
        options: [heldOptions.retry, heldOptions.replan, heldOptions.revise, cancelOption],
        binding,
      });
  }
}

/** The reproducibility checklist, in code. */
export function verify(facts: IssueFacts): IssueStep {
  const what = facts.experiment?.id ?? newest(facts, "plan")?.hash ?? unreachable();
  const round = visits(facts, "verifying");
  const subject = round === 1 ? what : `${what} ${round}`;
  const found = checkOf(facts, "reproducibility", subject);
  if (found === undefined) return { do: "check", check: "reproducibility", subject };
  if (found.passed) return move("analyzing", "Everything that is needed to repeat it is recorded.");
  const binding = { experiment: subject, checked_at: found.checked_at };
  if (decisionOn(facts, "verification-failed", binding)?.choice === "retry") {
    return { do: "check", check: "reproducibility", subject };
  }
  return ask({
    name: "verification-failed",
    question: `The results of issue ${facts.issue.number} could not be verified. What now?`,
    why: found.findings.join(" "),
    options: [option("retry", "It is checked again; mend what is wrong first."), cancelOption],
    binding,
  });
}

/** One document for each time that analyzing was entered; what a person made of one is no other. */
export function analyze(facts: IssueFacts): IssueStep {
  const round = visits(facts, "analyzing");
  const written = facts.submissions.filter((one) => one.kind === "result" && !isEdit(one)).length;
  const open = work(facts, "analyzer", String(round), written >= round);
  return open ?? move("result-review", "A result document was handed in.");
}

export function reviewResult(facts: IssueFacts): IssueStep {
  const result = newest(facts, "result") ?? unreachable();
  const critic = "interpretation-critic" as const;
  const open = work(facts, critic, result.hash, reviewOf(facts, critic, result.hash) !== undefined);
  if (open !== null) return open;
  if (!isRefused(facts, "result", result.hash, [critic])) {
    return move("promotion", "The interpretation passed its review.");
  }
  const lost = roundsLost(facts, [critic], []);
  const allowed = facts.settings.rounds.result + extraRounds(facts, "interpretation-disputed");
  if (lost < allowed || decisionOn(facts, "interpretation-disputed", { result: result.hash })?.choice === "revise") {
    return move("analyzing", `Result ${result.number} was sent back by its review.`);
  }
  return ask({
    name: "interpretation-disputed",
    question: `Analyzer and critic of issue ${facts.issue.number} do not agree after ${lost} rounds. What now?`,
    why: capText(facts, "result", "A limit of rounds never lets an interpretation through."),
    options: [
      option("revise", "One more round; your reason goes to the analyzer as a blocker.", true),
      option("waive", "The open blockers are waived with your reason, and the result goes on to promotion.", true),
      cancelOption,
    ],
    binding: { result: result.hash },
  });
}

/** A person reads, edits and approves the result; then code is merged and follow-ups are proposed. */
export function promote(facts: IssueFacts): IssueStep {
  const result = newest(facts, "result") ?? unreachable();
  const code = codeFate(facts);
  const binding = { result: result.hash, code };
  switch (promotionOf(facts, result.hash, code)?.choice) {
    case "approve":
      return withoutResult(facts, result.hash) ?? finish(facts) ?? move("done", "A person approved the result.");
    case "revise":
      return move("analyzing", "A person wants another result document.");
    default:
      return ask({
        name: "promotion",
        question: `Publish the result of issue ${facts.issue.number}?`,
        why: [
          "No result leaves the lab before a person has read and approved it.",
          ...changedSince(facts.gates, "promotion", binding),
        ].join("\n"),
        options: [
          option("approve", `The result is final;${codeText(code)} follow-ups are proposed.`),
          option(
            "edit",
            "You change the document yourself; what you hand in is a new version, and is asked about anew.",
          ),
          option("revise", "The analyzer writes another document, with your reason as a blocker.", true),
          cancelOption,
        ],
        binding,
      });
  }
}

/** As `agents.promotion` says now; null where there is no code, or nothing is to be done with it any more. */
function codeFate(facts: IssueFacts): CodeFate | null {
  const change = newest(facts, "change");
  if (change === null || checkOf(facts, "merge", change.hash)?.passed === true) return null;
  const { target = null } = (passedLast(facts.checks, "workspace") ?? {}) as { target?: string | null };
  return { branch: `rigor/issue-${facts.issue.number}`, into: facts.settings.promotion === "merge" ? target : null };
}

function codeText(code: CodeFate | null): string {
  if (code === null) return "";
  return code.into === null
    ? ` its code stays on ${code.branch}, for you to merge;`
    : ` ${code.branch} is merged into ${code.into}, if nobody has that checked out;`;
}

/** What a person decided about this result and what becomes of its code; once that is done, about this result. */
function promotionOf({ gates }: IssueFacts, result: string, code: CodeFate | null): GateRecord | undefined {
  return gates.findLast(({ name, state, binding }) => {
    const about = binding as { result?: string; code?: CodeFate | null };
    const isSameFate = code === null || sameBinding(about.code ?? null, code);
    return name === "promotion" && state === "decided" && about.result === result && isSameFate;
  });
}

/** An approval holds for what was shown: if a run has become invalid since, it is run, verified and analyzed anew. */
function withoutResult(facts: IssueFacts, hash: string): IssueStep | null {
  const found = checkOf(facts, "document", hash);
  if (found === undefined) return { do: "check", check: "document", subject: hash };
  if (found.passed) return null;
  return move(facts.experiment === null ? "analyzing" : "running", found.findings.join(" "));
}

/** The code first, so that follow-ups are proposed on what is there. */
function finish(facts: IssueFacts): IssueStep | null {
  const change = newest(facts, "change");
  const merged = change === null ? null : merge(facts, change.hash);
  if (merged !== null) return merged;
  const proposer = work(facts, "follow-up-proposer", "1", count(facts, "proposals") > 0);
  if (proposer !== null) return proposer;
  const filed = passCheck(
    facts,
    "follow-ups",
    newest(facts, "proposals")?.hash ?? "",
    "Follow-ups could not be filed.",
  );
  if (filed !== null || change === null) return filed;
  return finishChange(facts, change.hash);
}
