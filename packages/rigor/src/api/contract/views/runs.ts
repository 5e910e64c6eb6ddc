import { z } from "zod";
import { closedCompute } from "./computes.ts";
import { json, runState } from "./states.ts";

export const attemptView = z.object({
  id: z.string(),
  number: z.int(),
  state: z.string(),
  compute: z.string(),
  host: z.string(),
  directory: z.string(),
  lease: z.object({ cpus: z.number(), memory: z.number().describe("bytes"), gpus: z.array(z.string()) }),
  job: z
    .string()
    .nullable()
    .describe("What its scheduler calls the job; null where there is none, or where it never told"),
  process: z.object({ pid: z.int(), started: z.string() }).nullable(),
  exit: z.object({ code: z.int().nullable(), signal: z.string().nullable() }).nullable(),
  category: z.string().nullable(),
  evidence: z.string().nullable(),
  queued_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  duration: z.number().nullable().describe("seconds"),
  memory_peak: z.number().nullable().describe("bytes: the most that its processes were seen to have together"),
  gpu_memory_peak: z.number().nullable().describe("bytes: the most that was seen in use on one of its cards"),
});

export const runSummary = z.object({
  id: z.string(),
  experiment: z.string().describe("NAME@VERSION"),
  arm: z.string(),
  task: z.string(),
  grid: z.record(z.string(), json),
  seed: z.int(),
  state: runState,
  stale: z.boolean().nullable().describe("True when its code is no longer the repository's; null when not asked for"),
  attempts: z.int(),
  metrics: z.record(z.string(), z.number()).nullable(),
  reason: z
    .object({ code: z.string(), message: z.string() })
    .nullable()
    .describe("What ended its last try, or what it waits for; null while it is tried again"),
  waiting: z
    .object({
      compute: z.string(),
      reason: z.string().nullable().describe("In the scheduler's words; null when it gives none"),
      held: z.boolean().describe("The scheduler will not start it without a person"),
      since: z.string(),
    })
    .nullable()
    .describe("Why its job waits at a scheduler; null when it does not"),
  collecting: z.boolean().describe("Its job has ended, and what it left is being read and hashed"),
  waits_for: z
    .array(z.object({ folder: z.string(), run_id: z.string(), state: runState }))
    .describe("Runs that must be done before it starts; empty once it may"),
  closed: z
    .array(closedCompute)
    .describe(
      "Why nothing starts on any of its computes while it is pending; while it is active, that its compute gives no answer",
    ),
  host: z.string().nullable(),
  duration: z.number().nullable().describe("seconds, of the last attempt"),
  changed_at: z.string(),
});

const relatedRun = z.object({
  folder: z.string().describe("Below RIGOR_NEEDS of the run that needs the other"),
  run_id: z.string(),
  experiment: z.string().describe("NAME@VERSION"),
  arm: z.string(),
  task: z.string(),
  grid: z.record(z.string(), json),
  seed: z.int(),
  state: runState,
  sha256: z.string().nullable().describe("What the last attempt was given; null where it was given nothing"),
});

export const runDetail = runSummary.extend({
  needs: z.array(relatedRun).describe("The runs whose outputs it gets"),
  needed_by: z.array(relatedRun).describe("The runs that get its outputs"),
  declared_metrics: z.array(z.string()).describe("What the experiment declares for its arm, the primary metric first"),
  parameters: z.record(z.string(), json),
  command: z.string().describe("As a shell would take it"),
  repeat: z.string().describe("Shell commands that repeat the run by hand; empty before its first attempt"),
  repeat_on: z.string().nullable().describe("The compute whose machines they are for; null for this machine"),
  source: z.object({
    repository: z.string(),
    commit: z.string(),
    base: z.string().nullable(),
    branch: z.string().nullable(),
    dirty: z.boolean(),
    code: z.record(z.string(), z.string()),
  }),
  environment: z.object({
    key: z.string(),
    manager: z.string(),
    lock: z.string().nullable(),
    lock_hash: z.string().nullable(),
    setup: z.string().nullable(),
    local: z.record(z.string(), z.string()).describe("Object ids of committed files that lock or setup name"),
  }),
  inputs: z.record(z.string(), z.object({ path: z.string(), sha256: z.string(), size: z.number(), files: z.int() })),
  retries: z.object({ infrastructure: z.int(), preemption: z.int(), code: z.int() }),
  not_before: z.string().nullable(),
  attempt_list: z.array(attemptView),
  result: z
    .object({
      attempt_id: z.string(),
      metrics: z.record(z.string(), z.number()),
      inputs_hash: z.string().nullable(),
      artifacts: z.array(z.object({ path: z.string(), sha256: z.string(), size: z.number() })),
      warnings: z.array(z.string()).describe("What was left out of the result"),
    })
    .nullable(),
  shared_by: z.array(z.string()).describe("Every experiment that asks for this run"),
});

export const logChunk = z.object({
  attempt_id: z.string(),
  stream: z.enum(["stdout", "stderr"]),
  offset: z.int().describe("Byte offset of the chunk"),
  next_offset: z.int(),
  base64: z.string(),
  ended: z.boolean().describe("True when the attempt has ended and the chunk reaches the end of the log"),
});

export type RunSummary = z.infer<typeof runSummary>;
export type RunDetail = z.infer<typeof runDetail>;
export type AttemptView = z.infer<typeof attemptView>;
export type LogChunk = z.infer<typeof logChunk>;
