import { z } from "zod";
import { handIn } from "../../conductor/hand-in.ts";
import { submissionKinds, submissionSchemas, type SubmissionKind } from "../../domain/issues/submissions.ts";
import { tool, type LabTool } from "../tool.ts";

const purposes: Record<SubmissionKind, string> = {
  clarification: "Hand in what you found out and what has to be asked.",
  plan: "Hand in the plan.",
  review: "Hand in your review.",
  change: "Hand in the change: everything in your workspace, committed or not, is taken.",
  result: "Hand in the result document.",
  proposals: "Hand in the proposals.",
};

/** One tool for each kind of work; a role has the one of its own kind. */
const submitTools: readonly LabTool[] = submissionKinds.map((kind) =>
  tool({
    name: `submit_${kind}`,
    description: `${purposes[kind]} Every problem is answered with how to mend it; hand in again until it is taken.`,
    input: submissionSchemas[kind] as z.ZodType,
    reads: false,
    handle: ({ api, session }, input) => handIn(api.board.parts, `session:${session.id}`, session.id, input),
  }),
);

export const writingTools: readonly LabTool[] = [
  ...submitTools,
  tool({
    name: "append_log",
    description:
      "Write a note into the log of what you work on, for persons and later sessions. One fact or thought a note, in Markdown.",
    input: z.strictObject({ text: z.string().trim().min(1).max(5_000) }),
    reads: false,
    async handle({ api, session, issue, investigation }, { text }) {
      if (investigation !== null) await api.board.findings.note(investigation.id, text);
      if (issue === null) return "It was noted.";
      await api.lab.store.transact(`session:${session.id}`, (transaction) =>
        transaction.append([{ kind: "issue.commented", entity: issue.id, data: { text: `${session.role}: ${text}` } }]),
      );
      return "It was noted.";
    },
  }),
];
