import { z } from "zod";

/** Everything that a role's work may cost. */
export const usageSchema = z.object({
  /** Answers of the model. */
  turns: z.number(),
  /** Tokens that the model was given, those that its service had cached among them. */
  inputTokens: z.number(),
  cachedTokens: z.number(),
  outputTokens: z.number(),
  /** US dollars; null where neither the agent nor a price tells. */
  cost: z.number().nullable(),
  seconds: z.number(),
});
export type Usage = z.infer<typeof usageSchema>;

/** How a session can end. */
export const sessionOutcomes = [
  /** The agent said that it is done. Whether it handed in what it should is not known here. */
  "finished",
  "turn-limit",
  "cost-limit",
  "token-limit",
  "time-limit",
  /** Nothing was heard of it for too long. */
  "silent",
  /** The model's service could not be used for too long. */
  "overloaded",
  /** The model's service does not accept the credentials. */
  "credentials",
  /** What the agent or the model's service wrote cannot be read. */
  "malformed-stream",
  /** A signal that was not ours ended it. */
  "killed",
  /** It was stopped on request. */
  "stopped",
  "disk-full",
  /** What it left on the disk became too much. */
  "size-limit",
  "failed",
] as const;
export type SessionOutcome = (typeof sessionOutcomes)[number];

const kinds = [
  /** A process of the session begins. */
  z.object({ kind: z.literal("start"), backend: z.string(), version: z.string().nullable(), resumed: z.boolean() }),
  /** What the agent is told. */
  z.object({ kind: z.literal("brief"), text: z.string() }),
  /** What the agent says it runs with. */
  z.object({ kind: z.literal("ready"), model: z.string().nullable(), tools: z.array(z.string()) }),
  z.object({ kind: z.literal("text"), text: z.string() }),
  z.object({ kind: z.literal("thinking"), text: z.string() }),
  z.object({ kind: z.literal("tool-call"), id: z.string(), tool: z.string(), input: z.unknown() }),
  z.object({ kind: z.literal("tool-result"), id: z.string(), text: z.string(), error: z.boolean() }),
  /** A tool that the agent may not use. */
  z.object({ kind: z.literal("refused"), tool: z.string(), why: z.string() }),
  /** The model's service failed, and is asked again. `status` is of HTTP; null when there was no answer. */
  z.object({ kind: z.literal("retry"), status: z.number().nullable(), why: z.string() }),
  /** Of the whole session so far. */
  z.object({ kind: z.literal("usage"), usage: usageSchema }),
  /** A line of output that is none of the agent's protocol. */
  z.object({ kind: z.literal("unreadable"), text: z.string() }),
  /** What the agent says beside its work: warnings, errors. */
  z.object({ kind: z.literal("notice"), text: z.string() }),
  z.object({
    kind: z.literal("end"),
    outcome: z.enum(sessionOutcomes),
    evidence: z.string(),
    next: z.string().nullable(),
  }),
] as const;

/** One thing that happened in a session, the same for all back ends. */
export const entrySchema = z.discriminatedUnion("kind", kinds);
export type Entry = z.infer<typeof entrySchema>;

/** An entry as it is written: when it was seen, and from which line of which process's output it came. */
export const recordSchema = z.object({
  time: z.iso.datetime(),
  /** Number of the process in its session, and of the line; null for what no line says. */
  source: z.tuple([z.number(), z.number()]).nullable(),
  entry: entrySchema,
});
export type TranscriptRecord = z.infer<typeof recordSchema>;

export const noUsage: Usage = {
  turns: 0,
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  cost: null,
  seconds: 0,
};

export function addUsage(one: Usage, other: Usage): Usage {
  return {
    turns: one.turns + other.turns,
    inputTokens: one.inputTokens + other.inputTokens,
    cachedTokens: one.cachedTokens + other.cachedTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cost: one.cost === null && other.cost === null ? null : (one.cost ?? 0) + (other.cost ?? 0),
    seconds: one.seconds + other.seconds,
  };
}
