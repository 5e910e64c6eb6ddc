import { z } from "zod";
import { closedCompute, hostView } from "./computes.ts";
import { experimentSummary } from "./experiments.ts";
import { counts, json } from "./states.ts";

export const statusView = z.object({
  version: z.string(),
  data_directory: z.string(),
  database: z.string(),
  address: z.string(),
  pid: z.int(),
  started_at: z.string(),
  counts,
  experiments: z.array(experimentSummary).describe("Those that are under way or wait, then the newest others"),
  hosts: z.array(hostView),
  closed: z.array(closedCompute).describe("Machines and clusters in use on which nothing starts now"),
  waits_for: z.string().nullable().describe("What is missing on the daemon's machine, so that no run starts there"),
  daemons: z
    .array(
      z.object({
        host: z.string(),
        pid: z.int(),
        data_directory: z.string(),
        is_this: z.boolean().describe("The one that answers"),
        machines: z.array(z.string()).describe("What it drives: as `local`, `ssh:HOST`, `slurm:LOGIN`"),
        experiments: z.int().describe("How many experiments it drives"),
        issues: z.int().describe("How many issues it takes further"),
      }),
    )
    .describe("Those that share the database and live; none where it is this daemon's alone"),
  board: z
    .object({
      issues: z.int().describe("Issues that are open"),
      investigations: z.int().describe("Investigations that have not ended"),
      agents: z.int().describe("Sessions of agents that are at work"),
      waiting: z.int().describe("Gates and work that wait for a person"),
    })
    .describe("Issues and investigations, in all repositories"),
});

export const health = z.object({
  name: z.literal("rigor"),
  version: z.string(),
  pid: z.int(),
  instance: z.string().describe("Changes with every start, so that a client knows the daemon that it meant"),
  data_directory: z.string(),
  started_at: z.string(),
});

export const doctorCheck = z.object({
  name: z.string(),
  ok: z.boolean(),
  /** False when the lab works without it. */
  required: z.boolean(),
  found: z.string(),
  remedy: z.string().nullable(),
});

export const loggedEvent = z.object({
  position: z.int(),
  origin: z.string(),
  seq: z.int(),
  time: z.string(),
  actor: z.string(),
  kind: z.string(),
  version: z.int(),
  entity: z.string(),
  data: json,
});

export type StatusView = z.infer<typeof statusView>;
export type DoctorCheck = z.infer<typeof doctorCheck>;
