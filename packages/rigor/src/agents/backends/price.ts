import type { Usage } from "../transcripts/entry.ts";
import type { ModelPrice } from "./backend.ts";

type Tokens = Pick<Usage, "inputTokens" | "cachedTokens" | "outputTokens">;

/** What was used, with its cost in US dollars: as the agent tells it, or else by the price where that is known. */
export function withCost<T extends Tokens>(used: T, told: number | null, price: ModelPrice | null) {
  return { ...used, cost: told ?? (price === null ? null : costOf(used, price)) };
}

function costOf(used: Tokens, price: ModelPrice): number {
  const fresh = used.inputTokens - used.cachedTokens;
  return (fresh * price.input + used.cachedTokens * price.cached + used.outputTokens * price.output) / 1_000_000;
}
