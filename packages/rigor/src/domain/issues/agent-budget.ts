import { integer } from "../format/numbers.ts";
import type { AgentSettings } from "./agent-settings.ts";
import type { SessionRecord } from "./records.ts";

/** What sessions of agents have used, in the measures that a budget may limit. */
export interface Spent {
  /** US dollars, where they are known. */
  cost: number;
  /** Given to models and not read from a cache, and answered by them: as in the limit of a session. */
  tokens: number;
  /** Answers of models. */
  turns: number;
  hours: number;
}

export const nothingSpent: Spent = { cost: 0, tokens: 0, turns: 0, hours: 0 };

/** What agents have used; the time of persons is their own. */
export function spentIn(sessions: readonly Pick<SessionRecord, "backend" | "usage">[]): Spent {
  return sessions.reduce<Spent>((sum, { backend, usage }) => {
    if (backend === "human") return sum;
    return {
      cost: sum.cost + (usage.cost ?? 0),
      tokens: sum.tokens + usage.input_tokens - usage.cached_tokens + usage.output_tokens,
      turns: sum.turns + usage.turns,
      hours: sum.hours + usage.seconds / 3_600,
    };
  }, nothingSpent);
}

/** Whether a session is an agent's that goes on using its budget: what has handed in comes to its end by itself. */
export const spendsOn = ({
  backend,
  state,
  submission_id,
}: Pick<SessionRecord, "backend" | "state" | "submission_id">): boolean =>
  backend !== "human" && state !== "ended" && submission_id === null;

/** The first measure of a budget that is used up, such as `$50.20 of $50`; null while none is. */
export function usedUp(spent: Spent, budget: AgentSettings["budget"]["issue"], times = 1): string | null {
  const over = (["cost", "tokens", "turns", "hours"] as const).find((measure) => {
    const limit = budget[measure];
    return limit !== null && spent[measure] >= limit * times;
  });
  if (over === undefined) return null;
  const [used, limit] = [spent[over], (budget[over] ?? 0) * times];
  switch (over) {
    case "cost":
      return `$${used.toFixed(2)} of $${limit}`;
    case "hours":
      return `${used.toFixed(1)} of ${limit} hours`;
    default:
      return `${integer(used)} of ${integer(limit)} ${over}`;
  }
}
