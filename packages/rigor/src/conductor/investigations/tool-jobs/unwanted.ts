import { spanOf, type ToolPatience } from "./patience.ts";

/** What is known of the job of a tool server. */
export interface Remaining {
  /** Whether its investigation has not ended. */
  isWanted: boolean;
  /** Whether it is of this daemon's own data directory. */
  isOwn: boolean;
  /** Whether a daemon lives that it is of. */
  hasDaemon: boolean;
  /** Whether this daemon can reach the compute that it is on. */
  isReachable: boolean;
  /** For how long it was seen without a daemon, in milliseconds. */
  forsakenMs: number;
}

/**
 * What a daemon does about such a job: each ends its own when they are not wanted any more. Those of a machine that is lost
 * are ended by whoever reaches their compute; where nobody does, they count as over when they must have ended by
 * themselves. A job whose investigation waits for that machine is left alone as long as its server may be alive.
 */
export function whatToDo(
  { isWanted, isOwn, hasDaemon, isReachable, forsakenMs }: Remaining,
  { surelyOverMs }: Pick<ToolPatience, "surelyOverMs">,
): "end" | "count-as-over" | "leave" {
  if (isOwn) return isWanted ? "leave" : "end";
  if (hasDaemon) return "leave";
  const unwantedMs = isWanted ? forsakenMs - surelyOverMs : forsakenMs;
  if (unwantedMs < 0) return "leave";
  if (unwantedMs >= surelyOverMs) return "count-as-over";
  return isReachable ? "end" : "leave";
}

export const countedAsOver = ({ surelyOverMs, unattendedSeconds }: ToolPatience): string =>
  `Its machine has had no daemon for ${spanOf(surelyOverMs / 1_000)} or more; a tool server that nobody asks for ends by ` +
  `itself after ${spanOf(unattendedSeconds)}.`;
