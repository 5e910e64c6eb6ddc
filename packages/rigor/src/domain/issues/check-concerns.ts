import type { DomainEvent } from "../events/registry.ts";
import type { IssueFacts, WorkKind } from "./facts.ts";
import type { ConcernRecord, IssueCheckName } from "./records.ts";

/** Checks that cannot know whether what they find is wrong: its author may dispute it, and a reviewer settles that. */
export const disputableChecks: readonly IssueCheckName[] = ["duplication"];

export interface CheckFinding {
  /** Where it is; null is the check as a whole. */
  location: string | null;
  /** What was found, in words that are the same as long as it is the same. */
  evidence: string;
}

interface Checked {
  name: IssueCheckName;
  about: WorkKind;
  /** Hash of what was checked. */
  subject: string;
  findings: readonly CheckFinding[];
}

/**
 * What becomes of a check's findings: each is a blocker until the check does not find it any more. One that was waived, or
 * that a reviewer accepted, holds nobody up again, as long as it is exactly the same.
 *
 * @returns whether the work may go on, and the events
 */
export function judgeFindings(facts: IssueFacts, { name, about, subject, findings }: Checked) {
  const entity = facts.issue.id;
  const earlier = facts.concerns.filter((one) => one.source === name && one.about === about);
  const known = (evidence: string) => earlier.findLast((one) => one.evidence === evidence);
  const unique = [...new Map(findings.map((one) => [one.evidence, one])).values()];
  const blocking = unique.filter(({ evidence }) => !isExcused(known(evidence), name));
  const gone = earlier.filter((one) => isUnsettled(one) && !unique.some(({ evidence }) => evidence === one.evidence));
  const reason = unique.length === 0 ? "The check passes now." : "The check finds something else now.";
  const events = gone.map(({ number }): DomainEvent => ({
    kind: "concern.verified",
    entity,
    data: { number, by: name, reason },
  }));
  let number = facts.concerns.length;
  for (const { location, evidence } of blocking) {
    const before = known(evidence);
    if (before?.state === "open") continue;
    if (before !== undefined && isUnsettled(before)) {
      const again = { number: before.number, by: name, reason: "The check still finds it." };
      events.push({ kind: "concern.reopened", entity, data: again });
      continue;
    }
    number += 1;
    const found = { number, about, subject, severity: "blocker" as const, location: location ?? name, evidence };
    events.push({
      kind: "concern.raised",
      entity,
      data: { ...found, fix: fixOf[name] ?? "Mend it, so that the check passes.", source: name, session_id: null },
    });
  }
  return { passed: blocking.length === 0, events };
}

const fixOf: Partial<Record<IssueCheckName, string>> = {
  duplication: "Use what is there instead of repeating it, or dispute it and say why the copy is right.",
};

const isUnsettled = ({ state }: ConcernRecord): boolean =>
  state === "open" || state === "fixed" || state === "disputed";

/** A person waived it, a reviewer agreed with its author, or a reviewer is still to say. */
function isExcused(concern: ConcernRecord | undefined, check: IssueCheckName): boolean {
  if (concern === undefined) return false;
  if (concern.state === "verified") return concern.settled?.by !== check;
  return concern.state === "waived" || (concern.state === "disputed" && disputableChecks.includes(check));
}
