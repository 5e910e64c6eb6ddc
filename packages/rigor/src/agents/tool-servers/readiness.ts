import { RigorError } from "../../domain/errors.ts";
import { readLastText } from "../../hosts/tail.ts";
import { listTools } from "./mcp-client.ts";

/** Milliseconds for one answer of a health check. */
const healthPatience = 5_000;

/** Of what a server printed last, in bytes, as much as a person needs to see why it ended. */
const shownOutput = 2_000;

/** Where a server is to be used. */
interface Target {
  url: string;
  /** Answers 2xx once it can be used; null where that it speaks MCP is enough. */
  health: string | null;
  token: string;
}

/** Names of the tools of a server, or why it cannot be used yet. */
export async function lookAt({ health, url, token }: Target): Promise<string[] | string> {
  try {
    if (health !== null) {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(health, { headers, signal: AbortSignal.timeout(healthPatience) });
      await response.body?.cancel();
      if (!response.ok) return `Its health check answered ${response.status}.`;
    }
    return await listTools({ url, token });
  } catch (error) {
    return `It could not be asked: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

/** A server that cannot be used. @param log file of what it printed */
export const notReady = (name: string, why: string, log: string): RigorError =>
  new RigorError("not-possible", `The tool server ${name} cannot be used. ${why}`, {
    next: `See what it printed: ${log}`,
  });

/** What a server printed last, as the end of a sentence about it. @param except what lines begin with that it did not print */
export function lastOutput(log: string, except: readonly string[] = []): string {
  const lines = readLastText(log, shownOutput).split("\n");
  const text = lines
    .filter((line) => !except.some((mark) => line.startsWith(mark)))
    .join("\n")
    .trim();
  return text === "" ? " It printed nothing." : ` It printed last: ${text}`;
}
