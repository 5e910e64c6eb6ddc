import { unattendedSeconds } from "./job-spec.ts";

/** Milliseconds without a daemon after which a tool server has ended by itself, with some time for slow machines. */
const surelyOverMs = (unattendedSeconds + 5 * 60) * 1_000;

/** What is known of the job of an investigation that is over. */
export interface Unwanted {
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
 * What a daemon does about such a job: each ends its own. Those of a machine that is lost are ended by whoever reaches
 * their compute; where nobody does, they count as over when they must have ended by themselves.
 */
export function whatToDo({ isOwn, hasDaemon, isReachable, forsakenMs }: Unwanted): "end" | "count-as-over" | "leave" {
  if (isOwn) return "end";
  if (hasDaemon) return "leave";
  if (forsakenMs >= surelyOverMs) return "count-as-over";
  return isReachable ? "end" : "leave";
}

export const countedAsOver =
  `Its machine has had no daemon for ${surelyOverMs / 60_000} minutes; a tool server that nobody asks for ends by itself ` +
  `after ${unattendedSeconds / 60}.`;
