import { changeNamed } from "../steps/changes.ts";
import type { Execute } from "../specification.ts";

export const execute: Execute = (context, invocation) =>
  changeNamed(context, invocation, {
    run: (client, change) => client.runs.cancel({ ...change, lost: invocation.flag("lost") }),
    experiment: (client, change) => client.experiments.cancel({ ...change, lost: invocation.flag("lost") }),
  });
