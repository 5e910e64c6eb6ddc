import type { SessionOrder } from "./backend.ts";

/** What an agent is told that was interrupted. */
export const goOn =
  "You were interrupted. Go on with your task where you stood. What you have handed in has arrived; what a tool was doing when you were interrupted may not have been done.";

/** Tokens of servers stand in the environment, not in a file: the variable of the server at an index, `lab` first. */
export function tokenVariable(index: number | ""): string {
  return `RIGOR_TOOLS_TOKEN_${index}`;
}

export function serverTokens({ tools }: SessionOrder): Record<string, string> {
  const servers = [tools.lab, ...Object.values(tools.servers)];
  return Object.fromEntries(servers.map(({ token }, index) => [tokenVariable(index), token]));
}
