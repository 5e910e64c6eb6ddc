import type { SessionRecord } from "../issues/records.ts";
import type { InvestigationOutcome, InvestigationRecord } from "./records.ts";

export interface InvestigationEnd {
  outcome: InvestigationOutcome;
  evidence: string;
  next: string | null;
}

/** How an investigation ended, once its session has. What was handed in stands, whatever happened afterwards. */
export function investigationEnd(
  { summary, disruption }: Pick<InvestigationRecord, "summary" | "disruption">,
  session: Pick<SessionRecord, "outcome" | "evidence" | "next">,
): InvestigationEnd {
  if (summary !== null) {
    return { outcome: summary.answered ? "answered" : "open", evidence: summary.answer, next: null };
  }
  if (disruption !== null) {
    const next = `See what it printed: the file tools/${disruption.server}*.log of the investigation.`;
    const isCut = session.outcome === null || session.outcome === "stopped" || session.outcome === "finished";
    const own = isCut
      ? ""
      : ` Then its agent ended (${session.outcome}): ${session.evidence ?? ""}`.replace(/[^.!?]$/, "$&.");
    return { outcome: "failed", evidence: `${disruption.evidence}${own}`, next };
  }
  const evidence = session.evidence ?? `Its session ended: ${session.outcome ?? "nobody knows how"}.`;
  const outcome = session.outcome === "finished" ? "silent" : session.outcome === "stopped" ? "stopped" : "failed";
  return { outcome, evidence, next: session.next };
}
