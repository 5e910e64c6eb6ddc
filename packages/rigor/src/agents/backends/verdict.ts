import type { SessionOutcome } from "../transcripts/entry.ts";

/** How a session ends, and the line that shows it. */
export interface Verdict {
  outcome: SessionOutcome;
  evidence: string;
}

/** Whether a status of HTTP says that credentials are not accepted, or not paid for. */
export function refusesCredentials(status: number | null): boolean {
  return status === 401 || status === 402 || status === 403;
}

/** What an agent's end means that gave up on the model's service after this status; null where it names none. */
export function serviceVerdict(status: number | null, evidence: string): Verdict {
  if (refusesCredentials(status)) return { outcome: "credentials", evidence };
  if (status === null && /\bmalformed response\b/.test(evidence)) return { outcome: "malformed-stream", evidence };
  const overloaded = status === 429 || (status !== null && status >= 500);
  return { outcome: overloaded ? "overloaded" : "failed", evidence };
}

/** How new variables come to the agents of a daemon that runs. */
export const daemonAnew = "Then `rigor down` and `rigor up`: the daemon keeps the variables that it was started with.";

const again = (limit: string) =>
  `Look at its transcript. Raise \`${limit}\` of this role, or make its task smaller, and start it again.`;

const nexts: Readonly<Record<Exclude<SessionOutcome, "credentials">, string | null>> = {
  finished: null,
  stopped: null,
  "turn-limit": again("turns"),
  "cost-limit": again("cost"),
  "token-limit": again("tokens"),
  "time-limit": again("minutes"),
  silent: "Start it again. If it falls silent again, look at its transcript and at the status of the model's service.",
  overloaded: "Start it again when the model's service works.",
  "malformed-stream":
    "Start it again. If it ends like this again, look for a proxy before the model's service, and update the agent.",
  killed: "Start it again. If it is killed again, look whether this machine runs out of memory.",
  "size-limit":
    "Delete what nobody needs of its files. Raise `size` among the limits of this role, or ask for less, and start it again.",
  "disk-full": "Free some space, and start it again.",
  failed: "Look at its transcript, mend the cause, and start it again.",
};

/** What a person can do about an end; null where nothing is asked of one. `credentials`: how this agent gets some. */
export function nextFor(outcome: SessionOutcome, credentials: string): string | null {
  return outcome === "credentials" ? credentials : nexts[outcome];
}
