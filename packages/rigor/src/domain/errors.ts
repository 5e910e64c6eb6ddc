/**
 * Every error that a user can meet has a stable code. The code decides the exit status of the CLI and the
 * HTTP status of the API, so that neither is chosen where the error is thrown.
 */
export const errorCodes = {
  /** The command line itself is wrong. */
  usage: { exit: 2, http: 400 },
  /** A file that the user wrote (experiment, rigor.yaml) cannot be read or breaks its schema. */
  "file-invalid": { exit: 2, http: 400 },
  /** A reference names nothing: experiment, run, path. */
  "not-found": { exit: 2, http: 404 },
  /** A short reference fits more than one thing. */
  ambiguous: { exit: 2, http: 400 },
  /** A limit that can be raised was reached before anything was changed. */
  "limit-exceeded": { exit: 2, http: 400 },
  /** The thing is in a state in which this cannot be done. */
  "not-possible": { exit: 2, http: 409 },
  /** What a session hands in breaks a rule; the message lists each problem. */
  refused: { exit: 2, http: 422 },
  /** The directory is no repository, or holds what cannot be recorded. */
  repository: { exit: 2, http: 400 },
  /** git itself fails: a lock, a full disk, a damaged object. No change of what is in the repository mends that. */
  git: { exit: 2, http: 500 },
  /** What describes an environment is missing or cannot be understood. A build that fails holds its experiment. */
  environment: { exit: 2, http: 422 },
  /** Another daemon owns the data. */
  "already-running": { exit: 2, http: 409 },
  /** The database is damaged, newer than this program, or not a Rigor database. */
  database: { exit: 2, http: 500 },
  /** The data directory cannot be written: full, read-only, missing permission. */
  storage: { exit: 2, http: 507 },
  /** The daemon does not answer, or answered something else than expected. */
  daemon: { exit: 2, http: 502 },
  /** Another machine gave no whole answer: nothing is known about what it did. */
  unreachable: { exit: 2, http: 504 },
  /** A server that a machine needs, such as a package index, cannot be reached from it. Another time it may. */
  network: { exit: 2, http: 502 },
  /** A batch system refuses, or its answer cannot be read. */
  scheduler: { exit: 2, http: 502 },
  /** No valid token, or a foreign Host or Origin. */
  unauthorized: { exit: 2, http: 401 },
  /** A fault of Rigor itself. */
  internal: { exit: 70, http: 500 },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface RigorErrorOptions {
  /** What the user can do next, as a sentence or a command. */
  next?: string;
  cause?: unknown;
}

/** An error for people: what happened to what, and what to do next. Its stack is shown to nobody. */
export class RigorError extends Error {
  readonly code: ErrorCode;
  readonly next: string | undefined;

  constructor(code: ErrorCode, message: string, options: RigorErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RigorError";
    this.code = code;
    this.next = options.next;
  }
}

/** What the operating system calls an error of its own. Node has no name for that of a quota, only its number. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error && typeof error.code === "string")) return undefined;
  // On Linux, and on macOS.
  return /^Unknown system error -(?:122|69)$/.test(error.code) ? "EDQUOT" : error.code;
}
