import type { Context } from "../context.ts";
import type { Look } from "./results.ts";

/** How answers look now: on this terminal, at this time. */
export function lookOf({ terminal }: Pick<Context, "terminal">): Look {
  return { style: terminal.style, columns: terminal.columns, now: Date.now() };
}
