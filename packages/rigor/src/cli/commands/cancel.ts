import { because, reportChange } from "../changes.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { resolve } from "../reference.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const message = because(invocation.text("message"));
  const found = await resolve(client, invocation.required(0));
  const changed =
    found.kind === "run"
      ? await client.runs.cancel({ reference: found.run.id, ...message })
      : await client.experiments.cancel({ reference: found.experiment.id, ...message });
  return reportChange(context, changed);
}
