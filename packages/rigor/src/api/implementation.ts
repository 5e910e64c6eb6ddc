import { implement } from "@orpc/server";
import type { ApiContext } from "./context.ts";
import { contract } from "./contract/contract.ts";

/** The contract, ready to be given handlers. */
export const api = implement(contract).$context<ApiContext>();
