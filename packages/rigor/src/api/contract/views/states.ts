import { z } from "zod";
import type { Json } from "../../../domain/canonical.ts";

/*
 * The files beside this one say what the API answers with. The same JSON is printed by `--json`: members are added,
 * never renamed or removed within one major version.
 */

/** JSON, with the domain's type of it. */
export const json = z.json() as unknown as z.ZodType<Json>;
const runStates = ["pending", "active", "done", "failed", "held", "cancelled", "invalid"] as const;

export const runState = z.enum(runStates);
export const experimentState = z.enum(["draft", "running", "deciding", "decided", "held", "cancelled", "archived"]);
export const outcome = z.enum(["supported", "refuted", "inconclusive"]);

export const counts = z
  .object(
    Object.fromEntries(runStates.map((state) => [state, z.int()])) as Record<(typeof runStates)[number], z.ZodInt>,
  )
  .describe("Number of runs in each state");
