import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { startInput } from "../steps/start-input.ts";
import { planLines } from "../views/plan.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const input = startInput(context, invocation);
  const { client } = await context.lab();
  await context.answer(await client.experiments.plan(input), (plan) => planLines(plan, context.terminal.style));
  return 0;
}
