import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { resultsLines } from "../views/results.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const results = await client.experiments.results({ reference: invocation.required(0) });
  await context.answer(results, (safe) => resultsLines(safe, lookOf(context)));
  return 0;
}
