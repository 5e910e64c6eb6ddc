/**
 * How long tool servers on computes and those who use them wait for each other. A server outlives a daemon that has lost
 * it, and is over before anybody counts it as over.
 */
export interface ToolPatience {
  /** Milliseconds without an answer after which a machine or a server counts as lost. */
  lostMs: number;
  /** Seconds after which a server ends by itself that no daemon asks for. */
  unattendedSeconds: number;
  /** Milliseconds without a daemon after which a server has ended by itself, on slow machines, too. */
  surelyOverMs: number;
}

/** @param seconds without an answer after which a server counts as lost; the rest follows from it */
export const toolPatience = (seconds: number): ToolPatience => ({
  lostMs: seconds * 1_000,
  unattendedSeconds: seconds * 1.5,
  surelyOverMs: seconds * 2_000,
});

/** A time for people. */
export const spanOf = (seconds: number): string => (seconds < 120 ? `${seconds} seconds` : `${seconds / 60} minutes`);
