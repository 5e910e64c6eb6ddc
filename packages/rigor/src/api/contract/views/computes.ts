import { z } from "zod";

export const hostView = z.object({
  name: z.string(),
  kind: z.string(),
  cpus: z.number(),
  cpus_used: z.number(),
  memory: z.number().describe("bytes"),
  memory_used: z.number(),
  gpus: z.array(
    z.object({
      id: z.string(),
      index: z.int(),
      name: z.string(),
      memory: z.number(),
      memory_free: z.number(),
      held_by: z.string().nullable().describe("attempt"),
      is_idle: z.boolean().describe("whether nobody uses it, be it the lab or somebody else"),
    }),
  ),
});

export const closedCompute = z.object({
  compute: z
    .string()
    .describe("As rigor.yaml calls it; the machine and how it is reached where many repositories are meant"),
  state: z
    .enum(["no-answer", "failing", "full", "tried", "resting", "drained"])
    .describe(
      "`failing`: it answers, and something went wrong there; `full`: its disk lacks room, or cannot be written; `tried`: it is proven before its first run",
    ),
  message: z.string().nullable().describe("Why"),
  next: z.string().nullable().describe("What can be done"),
  since: z.string().nullable().describe("Since when it does not answer, or fails"),
  until: z.string().nullable().describe("When its rest ends"),
});

export const finding = z.object({
  check: z.string(),
  ok: z.boolean(),
  found: z.string(),
  remedy: z.string().nullable(),
});

export const computeView = z.object({
  name: z.string().describe("as rigor.yaml calls it"),
  id: z.string().describe("the machine, and how it is reached"),
  kind: z.string(),
  host: z.string().describe("the machine that is talked to"),
  state: z.string().describe("available, resting or drained"),
  reason: z.string().nullable().describe("why it rests or is drained"),
  until: z.string().nullable().describe("when its rest ends"),
  trouble: z
    .object({
      message: z.string(),
      next: z.string().nullable(),
      since: z.string(),
      is_silent: z.boolean().describe("whether it gave no answer; false: it answers, and something went wrong there"),
    })
    .nullable()
    .describe("Why it could not be used when that was last tried"),
  lacking: z.string().nullable().describe("What its disk lacks for runs; null where nothing is known to be missing"),
  jobs: z.int().describe("attempts under way"),
  max_jobs: z.int().nullable(),
  calls: z
    .object({
      per_minute: z.int().describe("allowed; the least of all computes that share the scheduler"),
      last_minute: z.int().describe("made"),
      jobs: z.int().describe("jobs that wait to be submitted"),
    })
    .nullable()
    .describe("Calls of its scheduler; null where there is none"),
  limits: z
    .object({ cpus: z.number().nullable(), memory: z.number().nullable().describe("bytes") })
    .describe("What rigor.yaml allows of the machine, be it less or more than it has; null is all of it"),
  capacity: hostView.nullable().describe("What the machine has; null for a cluster, and before it was looked at"),
  checked_at: z.string().nullable(),
  problems: z.array(finding.omit({ ok: true })).describe("What was wrong when it was last checked"),
});

export type HostView = z.infer<typeof hostView>;
export type ClosedCompute = z.infer<typeof closedCompute>;
export type ComputeView = z.infer<typeof computeView>;
export type Finding = z.infer<typeof finding>;
