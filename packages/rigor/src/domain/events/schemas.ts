import { z } from "zod";
import type { Json } from "../canonical.ts";
import type { Experiment, Resources } from "../experiment.ts";

/** Parts that several kinds of event share. */
export const json = z.json() as z.ZodType<Json>;
export const jsonRecord = z.record(z.string(), json);

/** Checked in full when the file is parsed; the log keeps what was checked. */
export const definition = z.custom<Experiment>((value) => typeof value === "object" && value !== null);
export const resources: z.ZodType<Resources> = z.strictObject({
  cpus: z.number().nonnegative(),
  gpus: z.int().nonnegative(),
  gpu_memory: z.number().nonnegative().nullable(),
  memory: z.number().nonnegative().nullable(),
  time: z.number().positive().nullable(),
});

export const source = z.strictObject({
  repository: z.string(),
  commit: z.string(),
  base: z.string().nullable(),
  branch: z.string().nullable(),
  dirty: z.boolean(),
  code: z.record(z.string(), z.string()),
});

export const environment = z.strictObject({
  key: z.string(),
  manager: z.string(),
  lock: z.string().nullable(),
  lock_hash: z.string().nullable(),
  setup: z.string().nullable(),
  local: z.record(z.string(), z.string()),
});

export const inputs = z.record(
  z.string(),
  z.strictObject({ path: z.string(), sha256: z.string(), size: z.number().nonnegative(), files: z.int() }),
);

export const neededExperiments = z.record(
  z.string(),
  z.strictObject({ experiment_id: z.string(), reference: z.string(), runs_hash: z.string() }),
);

export const givenOutputs = z.record(
  z.string(),
  z.strictObject({ run_id: z.string(), attempt_id: z.string(), sha256: z.string() }),
);

export const budget = z.strictObject({ gpu_hours: z.number().nullable(), wall: z.number().nullable() });

export const placement = z.strictObject({
  experiment_id: z.string(),
  position: z.int().nonnegative(),
  arm: z.string(),
  task: z.string(),
  grid: jsonRecord,
  seed: z.int(),
  stages: z.array(z.int().nonnegative()).min(1),
  in_final_stage: z.boolean(),
});

export const lease = z.strictObject({
  cpus: z.number().nonnegative(),
  memory: z.number().nonnegative(),
  gpus: z.array(z.string()),
});

export const reason = z.strictObject({ code: z.string(), message: z.string() });

export const artifact = z.strictObject({ path: z.string(), sha256: z.string(), size: z.number().nonnegative() });
