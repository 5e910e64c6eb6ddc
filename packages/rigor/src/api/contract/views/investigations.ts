import { z } from "zod";
import { explanationSchema, summarySchema } from "../../../domain/investigations/explanation.ts";
import { investigationOutcomes } from "../../../domain/investigations/records.ts";
import { sessionView } from "./issues.ts";

export const investigationSummary = z.object({
  id: z.string(),
  number: z.int(),
  project: z.string(),
  question: z.string(),
  state: z.enum(["waiting", "running", "ended"]),
  waits_for: z.string().nullable().describe("Why it does not go on: limits of agents, its tool servers, its machine"),
  outcome: z
    .enum(investigationOutcomes)
    .nullable()
    .describe("`open`: it found no answer, and says so; `silent`: it ended without handing in anything"),
  evidence: z.string().nullable().describe("What shows the outcome; of one that was answered, the answer"),
  next: z.string().nullable(),
  explanations: z.int(),
  session: z.string().describe("Id of its session"),
  directory: z.string().describe("Its files: log, explanations, artifacts, summary, output of tools"),
  started_at: z.string(),
  ended_at: z.string().nullable(),
});

export const investigationView = z.object({
  investigation: investigationSummary,
  servers: z.array(z.string()).describe("Names of its tool servers"),
  compute: z
    .string()
    .nullable()
    .describe("The compute that they run on, where they name none; null: beside the daemon"),
  max_turns: z.int().nullable(),
  log: z.array(z.object({ time: z.string(), text: z.string() })).describe("The research log, oldest first"),
  explanations: z.array(explanationSchema),
  summary: summarySchema.nullable(),
  artifacts: z.array(z.object({ path: z.string(), size: z.number().describe("bytes") })),
  hanging: z
    .array(z.object({ tool: z.string(), calls: z.int(), seconds: z.number() }))
    .describe("Tools of which calls had no answer for so long that they seem to hang"),
  session: sessionView,
});

export type InvestigationSummary = z.output<typeof investigationSummary>;
export type InvestigationView = z.output<typeof investigationView>;
