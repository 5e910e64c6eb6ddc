import { implement, ORPCError } from "@orpc/server";
import { errorCodes, RigorError } from "../domain/errors.ts";
import { TransitionError } from "../domain/lifecycle.ts";
import type { ApiContext } from "./context.ts";
import { contract } from "./contract/contract.ts";

/** The contract, ready to be given handlers. Errors for people reach the client with code and advice. */
export const api = implement(contract)
  .$context<ApiContext>()
  .use(async ({ next }) => {
    try {
      return await next();
    } catch (error) {
      throw clientError(error);
    }
  });

/** An error as the client gets it: no stack and no internals. Unknown faults stay what they are and are logged. */
function clientError(error: unknown): unknown {
  if (error instanceof TransitionError) {
    return clientError(new RigorError("not-possible", error.message, { next: "See its present state with `rigor show`.", cause: error }));
  }
  if (!(error instanceof RigorError)) return error;
  const { code, message, next } = error;
  return new ORPCError(code.toUpperCase().replaceAll("-", "_"), {
    status: errorCodes[code].http,
    message,
    data: { code, message, next: next ?? null },
    cause: error,
  });
}
