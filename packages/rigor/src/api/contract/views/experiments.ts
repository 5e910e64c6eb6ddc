import { z } from "zod";
import { holdCodes } from "../../../domain/records.ts";
import { closedCompute } from "./computes.ts";
import { counts, experimentState, outcome } from "./states.ts";

export const hold = z.object({
  code: z.enum(holdCodes),
  reason: z.string(),
  options: z.array(z.string()).describe("What can be done, as commands or sentences"),
  since: z.string(),
});

export const experimentSummary = z.object({
  id: z.string(),
  reference: z.string().describe("NAME@VERSION"),
  name: z.string(),
  version: z.int(),
  state: experimentState,
  outcome: outcome.nullable().describe("Null before the decision, and where no rule was declared"),
  question: z.string().nullable(),
  file: z.string(),
  repository: z.string(),
  commit: z.string(),
  plan_hash: z.string(),
  stage: z.object({ index: z.int(), name: z.string(), of: z.int() }),
  counts,
  total_runs: z.int(),
  hold: hold.nullable(),
  waiting: z
    .array(
      z.object({
        compute: z.string(),
        reason: z.string().nullable().describe("In the scheduler's words; null when it gives none"),
        held: z.boolean().describe("The scheduler will not start them without a person"),
        runs: z.int(),
      }),
    )
    .describe("Active runs whose jobs wait at a scheduler, by compute and reason"),
  waiting_for: z
    .array(z.object({ experiment: z.string().describe("NAME@VERSION"), state: experimentState, runs: z.int() }))
    .describe("Pending runs that wait for runs of other experiments, by experiment"),
  retries: z
    .object({ runs: z.int(), next_at: z.string(), after: z.string().describe("How the attempt before ended") })
    .nullable()
    .describe("Pending runs that are tried again after a pause; time and reason are those of the next"),
  created_at: z.string(),
  decided_at: z.string().nullable(),
});

export const progress = z.object({
  experiment: experimentSummary,
  finished: z.int().describe("Runs that need no further work: done, failed, invalid, cancelled"),
  shared: z.int().describe("Runs that were done before the experiment asked for them"),
  runs_per_second: z.number().nullable(),
  seconds_left: z.number().nullable(),
  elapsed: z.number().describe("seconds since it was created"),
  preparing: z
    .object({ what: z.string(), since: z.string(), log_file: z.string().nullable() })
    .nullable()
    .describe("What is being made ready before runs can start"),
  waits_for: z.string().nullable().describe("What is missing on the daemon's machine, so that no run starts there"),
  closed: z
    .array(closedCompute)
    .describe("Computes of the experiment on which nothing starts now; its runs there may go on"),
  active: z.array(
    z.object({
      run_id: z.string(),
      arm: z.string(),
      task: z.string(),
      seed: z.int(),
      seconds: z.number(),
      collecting: z.boolean().describe("Its job has ended, and what it left is being read and hashed"),
    }),
  ),
});

export type ExperimentSummary = z.infer<typeof experimentSummary>;
export type Progress = z.infer<typeof progress>;
