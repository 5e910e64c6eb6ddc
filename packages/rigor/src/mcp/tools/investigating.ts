import { RigorError } from "../../domain/errors.ts";
import { explanationSchema, summarySchema } from "../../domain/investigations/explanation.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import { tool, type LabTool, type ToolContext } from "../tool.ts";

/** What an investigator hands in. */
export const investigatingTools: readonly LabTool[] = [
  tool({
    name: "submit_explanation",
    description:
      "Hand in an explanation: the behaviour, its components, the evidence, your confidence, alternatives and limits. " +
      "Hand in as many as you have, each once.",
    input: explanationSchema,
    reads: false,
    async handle(context, input) {
      const number = await context.api.board.findings.explain(the(context).id, input);
      return `Explanation ${number} was taken.`;
    },
  }),
  tool({
    name: "submit_summary",
    description: "Hand in the answer and a summary, once, as the last thing that you do.",
    input: summarySchema,
    reads: false,
    async handle(context, input) {
      await context.api.board.findings.conclude(the(context).id, input);
      return "It was taken. You are done: say nothing more.";
    },
  }),
];

function the({ investigation, session }: ToolContext): InvestigationRecord {
  if (investigation !== null) return investigation;
  throw new RigorError("not-possible", `The ${session.role} has no investigation.`);
}
