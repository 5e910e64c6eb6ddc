import { concernText } from "../domain/issues/concern-text.ts";
import { newest, openConcerns, type IssueFacts } from "../domain/issues/facts.ts";
import { toSettle } from "../domain/issues/hand-in.ts";
import type { ConcernRecord, RoleName } from "../domain/issues/records.ts";
import { roleWork } from "../domain/issues/roles.ts";
import type { SubmissionContent } from "../domain/issues/submissions.ts";
import type { Begun } from "./form.ts";

/**
 * What a person's form holds from the start: the plan that was sent back, each concern that has to be answered, and each
 * answer that has to be settled.
 */
export function begunWork(facts: IssueFacts, role: Exclude<RoleName, "investigator">): Record<string, Begun> {
  const { makes, reviews } = roleWork[role];
  const plan: SubmissionContent<"plan"> | undefined = makes === "plan" ? newest(facts, "plan")?.content : undefined;
  const members = plan === undefined ? [] : Object.entries({ ...plan, answers: [] });
  const begun = members.flatMap(([name, value]): [string, Begun][] =>
    Array.isArray(value) && value.length === 0 ? [] : [[name, { value }]],
  );
  const open = makes === null ? [] : openConcerns(facts, makes);
  const due = reviews === null ? [] : toSettle(facts, role, reviews);
  return {
    ...Object.fromEntries(begun),
    ...asked("answers", open, { answer: "", reason: "" }),
    ...asked("settled", due, { status: "", reason: "" }),
  };
}

function asked(
  member: string,
  concerns: readonly ConcernRecord[],
  empty: Readonly<Record<string, string>>,
): Record<string, Begun> {
  if (concerns.length === 0) return {};
  const value = concerns.map(({ number }) => ({ concern: number, ...empty }));
  return { [member]: { value, remarks: concerns.map(concernText) } };
}
