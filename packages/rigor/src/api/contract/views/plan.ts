import { z } from "zod";
import { unlistedChanges } from "./results.ts";
import { experimentState, json } from "./states.ts";

const memoryNeed = z.object({
  asked: z.number().nullable().describe("bytes, by the file"),
  seen: z.number().nullable().describe("bytes: the most that runs of the same cells used; null where none was seen"),
  proposed: z.number().nullable().describe("bytes to ask for; null where what is asked for is enough"),
});

export const planView = z.object({
  name: z.string(),
  file: z.string(),
  plan_hash: z.string(),
  repository: z.string(),
  commit: z.string(),
  dirty: z.boolean(),
  changed_files: z.array(z.string()),
  arms: z.array(z.string()),
  tasks: z.array(z.string()),
  grid: z.record(z.string(), z.array(json)),
  seeds: z.array(z.int()),
  stages: z.array(z.object({ name: z.string(), runs: z.int(), to_do: z.int() })),
  needs: z
    .array(
      z.object({
        arm: z.string(),
        folder: z.string().describe("Below RIGOR_NEEDS"),
        from: z.string().describe("ARM of this experiment, or NAME@VERSION/ARM"),
        runs: z.int().describe("Runs of the arm"),
        ready: z.int().describe("Those for which it is done already"),
      }),
    )
    .describe("Which runs wait for which"),
  total_runs: z.int(),
  done: z.int(),
  failed: z.int(),
  to_do: z.int(),
  command: z.string().describe("The command of the first run"),
  environment: z.object({ manager: z.string(), lock: z.string().nullable(), built: z.boolean() }),
  estimate: z.object({
    seconds_per_run: z.number().nullable().describe("Median of earlier runs of this experiment"),
    at_a_time: z.int(),
    seconds: z.number().nullable(),
    gpu_hours: z.number().nullable(),
  }),
  memory: memoryNeed.describe("Main memory of a run"),
  gpu_memory: memoryNeed.nullable().describe("Of each card; null for runs without one"),
  budget: z.object({ gpu_hours: z.number().nullable(), wall: z.number().nullable() }),
  compute: z.array(
    z.object({
      name: z.string(),
      kind: z.string(),
      host: z.string(),
      fits: z.string().describe("Whether its runs can start there, as far as that is known"),
    }),
  ),
  existing: z.object({ reference: z.string(), state: experimentState, same: z.boolean(), why: z.string() }).nullable(),
  unlisted_changes: z.array(unlistedChanges),
  notes: z.array(z.string()).describe("What a reader must know: runs that rest on other code"),
});

export type PlanView = z.infer<typeof planView>;
