import { chosen, decide } from "../steps/gates.ts";
import type { Execute } from "../specification.ts";

export const execute: Execute = (context, invocation) =>
  decide(context, invocation, (gate) => ({ choice: chosen(gate, ["approve"]) }));
