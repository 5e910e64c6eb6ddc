import type { SessionRecord } from "../issues/records.ts";
import type { InvestigationOutcome, InvestigationRecord } from "./records.ts";

export interface InvestigationEnd {
  outcome: InvestigationOutcome;
  evidence: string;
  next: string | null;
}

/**
 * How an investigation ended, once its session has. What was handed in stands, whatever happened afterwards.
 *
 * @param hanging names of tools that hung, those of servers as `SERVER/TOOL`
 */
export function investigationEnd(
  {
    summary,
    disruption,
    servers,
    max_turns,
  }: Pick<InvestigationRecord, "summary" | "disruption" | "servers" | "max_turns">,
  session: Pick<SessionRecord, "outcome" | "evidence" | "next">,
  hanging: readonly string[],
): InvestigationEnd {
  if (summary !== null) {
    return { outcome: summary.answered ? "answered" : "open", evidence: summary.answer, next: null };
  }
  if (disruption !== null) {
    const next = seeOutput([disruption.server]);
    const isCut = session.outcome === null || session.outcome === "stopped" || session.outcome === "finished";
    const own = isCut
      ? ""
      : ` Then its agent ended (${session.outcome}): ${session.evidence ?? ""}`.replace(/[^.!?]$/, "$&.");
    return { outcome: "failed", evidence: `${disruption.evidence}${own}`, next };
  }
  const evidence = session.evidence ?? `Its session ended: ${session.outcome ?? "nobody knows how"}.`;
  const outcome = session.outcome === "finished" ? "silent" : session.outcome === "stopped" ? "stopped" : "failed";
  const after = nextOf(session, max_turns);
  const hung = servers.filter((name) => hanging.some((tool) => tool.startsWith(`${name}/`)));
  const next = hung.length === 0 ? after : [seeOutput(hung), after].filter(Boolean).join(" ");
  return { outcome, evidence, next };
}

function nextOf({ outcome, next }: Pick<SessionRecord, "outcome" | "next">, maxTurns: number | null): string | null {
  if (outcome === "set-aside") return anotherDay;
  return outcome === "turn-limit" && maxTurns !== null ? moreTurns : next;
}

/** Nothing but the budget of the day sets an investigation aside. */
const anotherDay = "Start it again when the day is over (UTC), or raise agents.budget.day in rigor.yaml first.";

const moreTurns = "Look at its transcript. Start it again with a larger --max-turns, or without.";

const seeOutput = (servers: readonly string[]): string =>
  `See what it printed: ${servers.map((name) => `tools/${name}*.log`).join(", ")} among its files.`;
