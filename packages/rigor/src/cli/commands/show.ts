import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../look.ts";
import { resolve } from "../reference.ts";
import { experimentLines } from "../views/experiment.ts";
import { runLines } from "../views/run.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const look = lookOf(context);
  const found = await resolve(client, invocation.required(0));
  if (found.kind === "run") await context.answer(found.run, (run) => runLines(run, look));
  else {
    const { experiment, definition } = found;
    await context.answer({ experiment, definition }, (answer) => experimentLines(answer, look));
  }
  return 0;
}
