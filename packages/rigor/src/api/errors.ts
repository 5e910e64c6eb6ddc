import { ORPCError } from "@orpc/server";
import { errorCodes, RigorError, type ErrorCode } from "../domain/errors.ts";
import { TransitionError } from "../domain/lifecycle.ts";

/**
 * What an error looks like on the wire, whoever raised it: the members that the framework's own errors have, and in
 * `data` what people and programs need. `/rpc` wraps the same in its envelope.
 */
export interface ErrorBody {
  defined: false;
  /** The code in capitals: `NOT_FOUND`. */
  code: string;
  status: Status;
  message: string;
  data: { code: ErrorCode; message: string; next: string | null };
}

type Status = (typeof errorCodes)[ErrorCode]["http"];

/** The body of an answer that is given without the framework. */
export function errorBody({ code, message, next }: RigorError): ErrorBody {
  const data = { code, message, next: next ?? null };
  return { defined: false, code: wireCode(code), status: errorCodes[code].http, message, data };
}

/** Any error as the client gets it: with a code and advice, without stack and internals. */
export function clientError(error: unknown): ORPCError<string, ErrorBody["data"]> {
  if (error instanceof ORPCError && isOurs(error)) return error;
  const named = nameError(error);
  const { code, status, message, data } = errorBody(named);
  return new ORPCError(code, { status, message, data, cause: error });
}

function nameError(error: unknown): RigorError {
  if (error instanceof RigorError) return error;
  if (error instanceof TransitionError) {
    return new RigorError("not-possible", error.message, { next: "See its present state with `rigor show`." });
  }
  if (error instanceof ORPCError && error.status < 500) return refusedRequest(error);
  return new RigorError("internal", "the daemon failed at this request", {
    next: "This is a fault of Rigor; daemon.log in the data directory has its cause.",
  });
}

/** What the framework refuses: a body that is no JSON, or members that break the schema. */
function refusedRequest(error: ORPCError<string, unknown>): RigorError {
  const issues = issuesOf(error);
  if (error.status === 404) return new RigorError("not-found", error.message, { next: "See /api/openapi.json." });
  const message = issues.length === 0 ? `the request cannot be read: ${error.message}` : issues.join("; ");
  return new RigorError("usage", message, { next: "See /api/openapi.json for what a request may say." });
}

function issuesOf({ data }: ORPCError<string, unknown>): string[] {
  const issues = typeof data === "object" && data !== null && "issues" in data ? data.issues : [];
  return (Array.isArray(issues) ? issues : []).map((issue: { path?: unknown; message?: unknown }) => {
    const path = Array.isArray(issue.path) ? issue.path.map(String).join(".") : "";
    return path === "" ? String(issue.message) : `${path}: ${String(issue.message)}`;
  });
}

const isOurs = (error: ORPCError<string, unknown>): error is ORPCError<string, ErrorBody["data"]> =>
  typeof error.data === "object" && error.data !== null && "code" in error.data && "next" in error.data;

const wireCode = (code: ErrorCode): string => code.toUpperCase().replaceAll("-", "_");
