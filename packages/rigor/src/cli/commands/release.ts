import { changeNamed } from "../steps/changes.ts";
import type { Execute } from "../specification.ts";

export const execute: Execute = (context, invocation) => {
  const gpuHours = invocation.number("gpuHours");
  const wall = invocation.number("wall");
  const withoutFailed = invocation.flag("withoutFailed");
  return changeNamed(context, invocation, {
    run: async (client, change) => {
      if (withoutFailed || gpuHours !== undefined || wall !== undefined) {
        throw invocation.usageError("--without-failed, --gpu-hours and --wall are for experiments; this is a run.");
      }
      return client.runs.release(change);
    },
    experiment: (client, change) =>
      client.experiments.release({
        ...change,
        without_failed: withoutFailed,
        ...(gpuHours === undefined ? {} : { gpu_hours: gpuHours }),
        ...(wall === undefined ? {} : { wall }),
      }),
  });
};
