import { z } from "zod";

// What an investigator hands in. The descriptions are what the agent is told.

const sentence = z.string().trim().min(1).max(4_000);
const source = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .describe("Where it can be found again: the tool and its input, or a file of your artifacts.");

/** What speaks for or against an explanation. What was changed on purpose counts for more than what was only seen. */
const evidence = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("observation"), statement: sentence.describe("What was seen."), source }),
  z.strictObject({
    kind: z.literal("attribution"),
    statement: sentence.describe("What a method of attribution says matters."),
    source,
  }),
  z.strictObject({
    kind: z.literal("intervention"),
    changed: sentence.describe("What was changed."),
    effect: sentence.describe("What happened then, with numbers."),
    control: sentence.nullable().describe("What a change of equal size elsewhere did; null where none was tried."),
    source,
  }),
  z.strictObject({
    kind: z.literal("prediction"),
    predicted: sentence.describe("What the explanation says must happen, written down before it was measured."),
    found: sentence,
    held: z.boolean(),
    source,
  }),
  z.strictObject({
    kind: z.literal("counterexample"),
    statement: sentence.describe("A case that the explanation does not cover, or gets wrong."),
    source,
  }),
]);

/** Above it, an explanation must have been tested, and have stood the test. */
const mostUntested = 0.7;

const standsTest = (one: z.output<typeof evidence>): boolean =>
  one.kind === "intervention" || (one.kind === "prediction" && one.held);

export const explanationSchema = z
  .strictObject({
    behaviour: sentence.describe("The behaviour that is explained."),
    explanation: sentence.describe("How it comes about."),
    components: z
      .array(z.strictObject({ name: z.string().trim().min(1).max(200), part: sentence.describe("What it does.") }))
      .max(200)
      .describe("The parts of the system that bring it about."),
    evidence: z.array(evidence).min(1).max(100),
    confidence: z
      .number()
      .min(0)
      .max(1)
      .describe(`How likely it is right. More than ${mostUntested} needs an intervention, or a prediction that held.`),
    alternatives: z
      .array(z.strictObject({ explanation: sentence, against: sentence.describe("What speaks against it.") }))
      .max(20)
      .describe("Other explanations that you considered."),
    limits: z.array(sentence).max(20).describe("Where it may not hold, and what you did not look at."),
    artifacts: z.array(z.string().min(1).max(500)).max(50).default([]).describe("Files of your artifacts, by path."),
  })
  .refine((one) => one.confidence <= mostUntested || one.evidence.some(standsTest), {
    path: ["confidence"],
    message: `more than ${mostUntested} needs an intervention, or a prediction that was made before it was measured and held`,
  });

export type Explanation = z.output<typeof explanationSchema>;

export const summarySchema = z.strictObject({
  answer: sentence.describe("The answer to the question, in a few sentences."),
  answered: z.boolean().describe("False where the question is still open."),
  summary: z.string().trim().min(1).max(50_000).describe("What you did and found, in Markdown."),
});

export type Summary = z.output<typeof summarySchema>;
