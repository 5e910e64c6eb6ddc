import type { Kysely } from "kysely";
import type { Database } from "../store/tables.ts";

/** A tool of which calls had no answer, by what was told while its session went on. */
export interface HangingTool {
  tool: string;
  calls: number;
  /** How long the calls had no answer, at the least. */
  seconds: number;
}

/** The tools that seemed to hang in a session, the first one first. */
export async function hangingTools(db: Kysely<Database>, session: string): Promise<HangingTool[]> {
  const rows = await db
    .selectFrom("events")
    .select("data")
    .where("entity", "=", session)
    .where("kind", "=", "session.stalled")
    .orderBy("position")
    .execute();
  const told = rows.map(({ data }) => JSON.parse(data) as { tool: string; seconds: number });
  return [...Map.groupBy(told, ({ tool }) => tool)].map(([tool, calls]) => {
    return { tool, calls: calls.length, seconds: Math.min(...calls.map(({ seconds }) => seconds)) };
  });
}

/** Adds to what shows how a session ended which tools had hung. */
export function withHanging(evidence: string, tools: readonly HangingTool[]): string {
  if (tools.length === 0) return evidence;
  const each = tools.map(({ tool, calls, seconds }) => {
    return `${tool} gave no answer within ${seconds} seconds${calls === 1 ? "" : `, ${calls} times`}`;
  });
  return `${evidence.replace(/[^.!?]$/, "$&.")} The tool ${each.join("; the tool ")}.`;
}
