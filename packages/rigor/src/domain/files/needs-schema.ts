import { z } from "zod";
import * as field from "./fields.ts";

// What a run needs of others, as an experiment file states it.

const folder = field
  .patternName(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/,
    "letters, digits, `-`, `_` and `.`, not starting with `-` or `.`, at most 100 characters",
  )
  .optional()
  .meta({
    type: "text",
    default: "as in `from`",
    description: "Folder below `RIGOR_NEEDS` in which the run finds the outputs.",
  });

const need = z.preprocess(
  (input) => (typeof input === "string" ? { from: input } : input),
  z.strictObject({
    from: field.freeName.describe(
      "`ARM` of this experiment, or `EXPERIMENT/ARM` of another one; `EXPERIMENT` alone is every arm of it. `EXPERIMENT@2` names a version; else it is the newest.",
    ),
    as: folder,
    task: field.freeName.nullable().default(null).describe("Task of the run that is needed; null is that of the run."),
    seed: z.int().nullable().default(null).describe("Seed of the run that is needed; null is that of the run."),
    parameters: z
      .record(field.variableName, field.json)
      .default({})
      .describe("Values, in the grid, of the run that is needed, where they are not those of the run."),
  }),
);

/** A text is short for `{ from: TEXT }`. */
export const needs = z.array(need).default([]).meta({ type: "list of text or mapping" });

export type FileNeed = z.output<typeof need>;
