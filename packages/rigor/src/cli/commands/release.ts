import { because, reportChange } from "../changes.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { resolve } from "../reference.ts";

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const message = because(invocation.text("message"));
  const gpuHours = invocation.number("gpuHours");
  const wall = invocation.number("wall");
  const withoutFailed = invocation.flag("withoutFailed");
  const found = await resolve(client, invocation.required(0));
  if (found.kind === "experiment") {
    const changed = await client.experiments.release({
      reference: found.experiment.id,
      without_failed: withoutFailed,
      ...message,
      ...(gpuHours === undefined ? {} : { gpu_hours: gpuHours }),
      ...(wall === undefined ? {} : { wall }),
    });
    return reportChange(context, changed);
  }
  if (withoutFailed || gpuHours !== undefined || wall !== undefined) {
    throw invocation.usageError("--without-failed, --gpu-hours and --wall are for experiments; this is a run.");
  }
  return reportChange(context, await client.runs.release({ reference: found.run.id, ...message }));
}
