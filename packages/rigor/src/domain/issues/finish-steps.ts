import { checkOf, decisionOn, type IssueFacts } from "./facts.ts";
import { block, cancelOption, option, passCheck, type IssueStep } from "./steps.ts";

/** What is left to do with a change that was accepted; null once nothing is. */
export function finishChange(facts: IssueFacts, commit: string): IssueStep | null {
  return merge(facts, commit) ?? passCheck(facts, "clean-up", commit, "The workspace could not be removed.");
}

/** Merges the change, or leaves its branch, as `agents.promotion` says. */
export function merge(facts: IssueFacts, commit: string): IssueStep | null {
  const found = checkOf(facts, "merge", commit);
  if (found === undefined) return { do: "check", check: "merge", subject: commit };
  if (found.passed) return null;
  const binding = { change: commit, checked_at: found.checked_at };
  switch (decisionOn(facts, "merge-conflict", binding)?.choice) {
    case "retry":
      return { do: "check", check: "merge", subject: commit };
    case "leave":
      return null;
    default:
      return block({
        name: "merge-conflict",
        question: `The branch of issue ${facts.issue.number} cannot be merged. What now?`,
        why: found.findings.join(" "),
        options: [
          option("retry", "It is merged again; resolve the conflict first."),
          option("leave", "The branch is left for a person to merge."),
          cancelOption,
        ],
        binding,
      });
  }
}
