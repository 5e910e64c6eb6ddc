import { z } from "zod";

export const documentProblem = z.object({
  severity: z.enum(["error", "warning"]),
  rule: z.string(),
  line: z.int(),
  column: z.int(),
  message: z.string(),
  next: z.string().describe("What to do"),
});

export const renderedDocument = z.object({
  experiment: z.string().describe("NAME@VERSION"),
  problems: z.array(documentProblem),
  hash: z.string().describe("Of the text and of every recorded value that it shows"),
  markdown: z.string(),
  html: z.string().describe("One page that needs nothing else"),
  figures: z.array(z.object({ name: z.string(), svg: z.string() })).describe("Files that the Markdown shows"),
});

/** One version of the result document of an issue. */
export const documentVersion = z.object({
  number: z.int().describe("Counts the documents of an issue from 1"),
  source: z.string().describe("As it was handed in, with directives in place of numbers"),
  markdown: z.string().describe("With its values filled in, as readers see it"),
  hash: z.string().describe("What an approval of it binds to"),
  submitted_by: z.string(),
  submitted_at: z.string(),
  edited: z.boolean().describe("Whether it is the one before as a person changed it"),
  changes: z.string().nullable().describe("What differs from the one before, as diff tells it; null for the first"),
});

export type DocumentVersionView = z.infer<typeof documentVersion>;
export type DocumentProblemView = z.infer<typeof documentProblem>;
