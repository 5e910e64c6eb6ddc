import { z } from "zod";

/**
 * What roles hand in. Each schema is checked at the moment of handing in, is shown to the agent as the input of its
 * tool, and is the form that a person fills in. No state is parsed out of free text.
 */

const text = z.string().trim().min(1);
const sentence = text.max(2_000);
const prose = text.max(50_000);

const severity = z
  .enum(["blocker", "concern", "nit"])
  .describe("blocker: the work must not go on like this; concern: should be mended; nit: a matter of taste");

const finding = z.strictObject({
  severity,
  location: sentence.describe("Where: file:line, a key of the plan, a section of the document"),
  evidence: sentence.describe("What shows that it is so: a quotation, a value, a source"),
  fix: sentence.describe("What would mend it"),
});

const answer = z
  .strictObject({
    concern: z.int().positive().describe("Number of the concern"),
    answer: z.enum(["fixed", "disputed"]),
    reason: sentence.describe("What was changed, or why the concern is wrong"),
  })
  .describe("Every open concern of your work must be answered; a nit may be left.");

const settlement = z.strictObject({
  concern: z.int().positive().describe("Number of the concern"),
  status: z.enum(["verified", "still-open"]).describe("verified: mended, or rightly disputed"),
  reason: sentence,
});

const clarification = z.strictObject({
  understanding: prose.describe("The question as you understand it, in a few sentences"),
  questions: z
    .array(
      z.strictObject({
        question: sentence,
        why: sentence.describe("What would be done differently with another answer"),
        proposed_answer: sentence,
        blocking: z.boolean().describe("True where the wrong answer would waste the work"),
      }),
    )
    .max(10),
  assumptions: z.array(sentence).max(20),
  related: z.array(sentence).max(20).describe("Earlier issues and experiments that were looked at, and what they say"),
});

const changedVariable = z.strictObject({
  variable: sentence.describe("The key that differs, such as parameters.lr or tasks"),
  from: sentence,
  to: sentence,
  why: sentence,
});

const plan = z.strictObject({
  experiment_path: z
    .string()
    .regex(/^(?!\/)(?!.*\.\.)[\w./-]+\.ya?ml$/, "expected a path below the repository that ends with .yaml")
    .nullable()
    .describe("Where the experiment file goes; null for work that measures nothing"),
  experiment_file: z.string().max(200_000).nullable().describe("The whole experiment file, YAML"),
  hypothesis: prose,
  prediction: prose.describe("What will be measured if the hypothesis holds, with numbers"),
  refuted_if: prose.describe("What result would refute it; said before any result is known"),
  parent: z.string().nullable().describe("The experiment that this one is compared with, NAME@VERSION; null if none"),
  changes: z.array(changedVariable).max(10).describe("What differs from the parent. More than one needs a reason each"),
  reasons: prose.describe("Why this design answers the question: baselines, tasks, seeds, test, budget"),
  risks: z.array(sentence).max(20),
  needs_code: z.boolean().describe("False if the committed code can run the experiment file as it is"),
  implementation: z.string().max(50_000).describe("What has to be built, and how it will be seen to work"),
  smoke: z
    .strictObject({
      parameters: z
        .record(z.string(), z.json())
        .describe("Parameters with the smallest values that still go through all of the code, such as steps: 2"),
    })
    .nullable(),
  uses: z.array(sentence).max(20).describe("Finished experiments whose results an analysis uses, NAME@VERSION"),
  answers: z.array(answer),
});

const review = z.strictObject({
  verdict: z.enum(["approve", "revise"]),
  summary: prose.describe("What you looked at, and what you found"),
  concerns: z.array(finding).max(50),
  settled: z.array(settlement).describe("What has become of earlier concerns that were answered"),
});

const change = z.strictObject({
  summary: prose.describe("What was changed and why, for somebody who reads the history"),
  how_tested: prose.describe("What you ran, and what it printed"),
  answers: z.array(answer),
});

const result = z.strictObject({
  document: z
    .string()
    .max(500_000)
    .describe("The result document, Markdown with directives in place of measured numbers"),
  answers: z.array(answer),
});

const proposals = z.strictObject({
  proposals: z
    .array(
      z.strictObject({
        title: sentence,
        text: prose.describe("The question, and why it follows from the result"),
        change: changedVariable.extend({
          variable: sentence.describe(
            "The one variable that differs. Where it is the path of a key of the experiment file, such as seeds, " +
              "parameters.lr, arms.ours.parameters.steps, arms.*.parameters.steps or tasks.news, code makes the plan",
          ),
          to: sentence.describe("Its new value; of a key of the experiment file, as YAML"),
        }),
        expected: sentence.describe("What would be learnt from each outcome"),
        gpu_hours: z.number().nonnegative().describe("GPU hours that it may use; 0 without GPUs"),
      }),
    )
    .min(1)
    .max(3),
});

export const submissionSchemas = { clarification, plan, review, change, result, proposals };

export type SubmissionKind = keyof typeof submissionSchemas;
export const submissionKinds = Object.keys(submissionSchemas) as SubmissionKind[];
export type SubmissionContent<Kind extends SubmissionKind> = z.output<(typeof submissionSchemas)[Kind]>;
export type Finding = z.output<typeof finding>;
export type Answer = z.output<typeof answer>;
export type Severity = Finding["severity"];
