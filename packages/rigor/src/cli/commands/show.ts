import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { resolve } from "../steps/reference.ts";
import { experimentLines } from "../views/experiment.ts";
import { runLines } from "../views/run.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const look = lookOf(context);
  const found = await resolve(client, invocation.required(0));
  if (found.kind === "run") await context.answer(found.run, (run) => runLines(run, look));
  else {
    const { experiment, definition } = found;
    const progress = await client.experiments.progress({ reference: experiment.reference });
    await context.answer({ experiment, definition }, (answer) => experimentLines(answer, progress, look));
  }
  return 0;
}
