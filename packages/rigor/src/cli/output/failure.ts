import { errorCodes, RigorError, systemCode, type ErrorCode } from "../../domain/errors.ts";
import { escapeControls, indent } from "./text.ts";
import type { Style } from "./terminal.ts";

/** An error as people and programs see it. */
export interface Failure {
  code: ErrorCode;
  message: string;
  next: string | null;
}

/** Where the daemon writes what it does; named when the fault is not the user's. */
export interface FaultPlace {
  logFile: string;
}

/** What an error says, whatever raised it: this program, the daemon, or the network between them. */
export function describeFailure(error: unknown, place: FaultPlace): Failure {
  if (error instanceof RigorError && error.code !== "internal") {
    return { code: error.code, message: error.message, next: error.next ?? null };
  }
  const reported = reportedFailure(error);
  if (reported !== null && reported.code !== "internal") return reported;
  const refused = refusedRequest(error);
  if (refused !== null) return refused;
  if (isConnectionFailure(error) || isUnheard(error)) {
    const next = `Try again: that starts it anew, and runs go on meanwhile. Its log is ${place.logFile}.`;
    return { code: "daemon", message: "The daemon ended before it answered.", next };
  }
  const system = systemFailure(error);
  if (system !== null) return system;
  return {
    code: "internal",
    message: reported?.message ?? (error instanceof Error ? error.message : String(error)),
    next: [
      "This is a fault in Rigor, not in what you did; runs are not affected.",
      `Please report it with this message and the end of ${place.logFile};`,
      "RIGOR_DEBUG=1 shows where it happened.",
    ].join("\n"),
  };
}

export function exitStatus({ code }: Failure): number {
  return errorCodes[code].exit;
}

export function failureText(failure: Failure, style: Style): string {
  const first = `${style.red("error:")} ${escapeControls(failure.message)}`;
  return failure.next === null ? `${first}\n` : `${first}\n${indent(escapeControls(failure.next), 2)}\n`;
}

export function failureJson(failure: Failure): string {
  return `${JSON.stringify({ error: failure }, null, 2)}\n`;
}

/** True for an answer of the daemon with this code. */
export function isFailure(error: unknown, code: ErrorCode): boolean {
  return reportedFailure(error)?.code === code || (error instanceof RigorError && error.code === code);
}

/** True when the daemon could not be reached, or went away while it was asked. */
export function isConnectionFailure(error: unknown): boolean {
  return connectionCode(error) !== null;
}

/** The port of a daemon that died belongs to another program now: the request reached no daemon. */
export class AnotherServerError extends Error {
  constructor() {
    super("another program answers at the daemon's address");
    this.name = "AnotherServerError";
  }
}

/** True when the request cannot have reached the daemon, so that it may be sent again. */
export function isUnheard(error: unknown): boolean {
  return (
    error instanceof AnotherServerError ||
    connectionCode(error) === "ECONNREFUSED" ||
    // What answered does not even speak HTTP.
    causes(error).some((cause) => String(member(cause, "code")).startsWith("HPE_"))
  );
}

const connectionCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE"]);

function connectionCode(error: unknown): string | null {
  for (const cause of causes(error)) {
    const code = member(cause, "code");
    // A write that failed by itself, not as part of a request, was to the standard output.
    const isOutput = cause === error && member(cause, "syscall") === "write";
    if (typeof code === "string" && connectionCodes.has(code) && !isOutput) return code;
  }
  return null;
}

/** An error and what caused it, the outermost first. */
function causes(error: unknown): Error[] {
  const found: Error[] = [];
  for (let cause = error; cause instanceof Error && found.length < 5; cause = cause.cause) found.push(cause);
  return found;
}

/** The daemon's own errors carry `{code, message, next}`. */
export function reportedFailure(error: unknown): Failure | null {
  return error instanceof Error ? readFailure(member(error, "data")) : null;
}

/** Reads `{code, message, next}`; null for anything else. */
export function readFailure(value: unknown): Failure | null {
  const code = member(value, "code");
  const message = member(value, "message");
  const next = member(value, "next");
  if (typeof code !== "string" || !Object.hasOwn(errorCodes, code) || typeof message !== "string") return null;
  return { code: code as ErrorCode, message, next: typeof next === "string" ? next : null };
}

/** Errors that the API's framework raises before the daemon's code is asked. */
function refusedRequest(error: unknown): Failure | null {
  const status = member(error, "status");
  if (!(error instanceof Error) || typeof status !== "number") return null;
  if (status === 401 || status === 403) {
    const next = "Its token changed: run the same command again. If that does not help: `rigor down`, then again.";
    return { code: "unauthorized", message: "The daemon does not accept this client.", next };
  }
  if (status === 404) {
    const next = "It may be of another version: `rigor down` ends it, then the same command starts a new one.";
    return { code: "daemon", message: "The daemon does not know this request.", next };
  }
  if (status !== 400) return null;
  const issues = member(member(error, "data"), "issues");
  const messages = (Array.isArray(issues) ? issues : []).map((issue) => String(member(issue, "message")));
  return { code: "usage", message: [`The request was refused: ${error.message}`, ...messages].join("\n"), next: null };
}

const systemCodes: Readonly<Record<string, { code: ErrorCode; what: string; next: string }>> = {
  ENOENT: { code: "not-found", what: "does not exist", next: "Check the path." },
  EACCES: { code: "storage", what: "may not be used: permission denied", next: "Check who owns it and its mode." },
  EPERM: { code: "storage", what: "may not be used: not permitted", next: "Check who owns it and its mode." },
  EROFS: { code: "storage", what: "lies on a read-only file system", next: "Choose another place." },
  ENOSPC: { code: "storage", what: "cannot be written: the disk is full", next: "Make room, then try again." },
  EDQUOT: { code: "storage", what: "cannot be written: your quota is used up", next: "Make room, then try again." },
  EISDIR: { code: "usage", what: "is a directory", next: "Name a file." },
  ENOTDIR: { code: "usage", what: "is below something that is no directory", next: "Check the path." },
  EEXIST: { code: "not-possible", what: "exists already", next: "Choose another name." },
};

/** Errors of the operating system about a path that the user chose. */
function systemFailure(error: unknown): Failure | null {
  const code = systemCode(error);
  const path = member(error, "path");
  if (code === undefined || typeof path !== "string") return null;
  const known = systemCodes[code];
  return known === undefined ? null : { code: known.code, message: `${path} ${known.what}.`, next: known.next };
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}
