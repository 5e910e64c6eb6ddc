import { ORPCError } from "@orpc/server";
import { errorCodes, RigorError, type ErrorCode } from "../domain/errors.ts";
import { issueText } from "../domain/files/explain.ts";
import { TransitionError } from "../domain/lifecycle.ts";
import { databaseError } from "../store/errors.ts";

/**
 * What an error looks like on the wire, whoever raised it: the members that the framework's own errors have, and in
 * `data` what people and programs need. `/api` sends exactly this, `/rpc` wraps it in its envelope.
 */
export interface ErrorBody {
  defined: false;
  /** The code in capitals: `NOT_FOUND`. */
  code: string;
  status: (typeof errorCodes)[ErrorCode]["http"];
  message: string;
  data: { code: ErrorCode; message: string; next: string | null };
}

/** The body of an answer that is given without the framework. */
export function errorBody({ code, message, next }: RigorError): ErrorBody {
  const data = { code, message, next: next ?? null };
  return { defined: false, code: wireCode(code), status: errorCodes[code].http, message, data };
}

/** An error of a handler, or of the check of its input, as the client gets it: without stack and internals. */
export function clientError(error: unknown): ORPCError<string, ErrorBody["data"]> {
  return wireError(nameError(error), error);
}

/** An error from before the handler was found its input: what is not one of ours is a body that cannot be read. */
export function decodingError(error: unknown): ORPCError<string, ErrorBody["data"]> {
  if (isOurs(error)) return error;
  if (isFrameworks(error) && error.status >= 500) return clientError(error);
  const reason = error instanceof Error ? error.message : String(error);
  return wireError(
    new RigorError("usage", `The request cannot be read: ${reason}`, { next: readTheDescription }),
    error,
  );
}

const readTheDescription = "See /api/openapi.json for what a request may say.";

function wireError(named: RigorError, cause: unknown): ORPCError<string, ErrorBody["data"]> {
  const { code, status, message, data } = errorBody(named);
  return new ORPCError(code, { status, message, data, cause });
}

function nameError(error: unknown): RigorError {
  if (error instanceof RigorError) return error;
  // What is read without a transaction is not named yet.
  const ofDatabase = databaseError(error);
  if (ofDatabase instanceof RigorError) return ofDatabase;
  if (error instanceof TransitionError) {
    return new RigorError("not-possible", error.message, { next: "See its present state with `rigor show`." });
  }
  if (isFrameworks(error) && error.status < 500) {
    return new RigorError("usage", issuesOf(error).join("; ") || error.message, { next: readTheDescription });
  }
  return new RigorError("internal", "The daemon failed at this request.", {
    next: "This is a fault of Rigor; daemon.log in the data directory has its cause.",
  });
}

/** What of the input breaks the schema, each with the name of its member. */
function issuesOf({ data }: ORPCError<string, unknown>): string[] {
  const issues = typeof data === "object" && data !== null && "issues" in data ? data.issues : [];
  return (Array.isArray(issues) ? issues : []).map((issue: Parameters<typeof issueText>[0]) => issueText(issue));
}

const isFrameworks = (error: unknown): error is ORPCError<string, unknown> => error instanceof ORPCError;

const isOurs = (error: unknown): error is ORPCError<string, ErrorBody["data"]> =>
  isFrameworks(error) &&
  typeof error.data === "object" &&
  error.data !== null &&
  "code" in error.data &&
  "next" in error.data;

const wireCode = (code: ErrorCode): string => code.toUpperCase().replaceAll("-", "_");
