import type { z } from "zod";
import type { ApiContext } from "../api/context.ts";
import type { InvestigationRecord } from "../domain/investigations/records.ts";
import type { IssueRecord, SessionRecord } from "../domain/issues/records.ts";

/** Who calls a tool, and what the tool works with. */
export interface ToolContext {
  api: ApiContext;
  session: SessionRecord;
  /** Null for an investigation, which belongs to no issue. */
  issue: IssueRecord | null;
  investigation: InvestigationRecord | null;
}

/** One tool of the lab: what agents are told, what is checked, and what is done, in one definition. */
export interface LabTool<Input = unknown> {
  name: string;
  description: string;
  input: z.ZodType<Input>;
  /** Whether it changes nothing. */
  reads: boolean;
  /** Text for the agent. @throws RigorError for what the agent can mend: it is told, and may call again */
  handle: (context: ToolContext, input: Input) => Promise<string>;
}

/** Lets the compiler infer the type of the input from the schema. */
export function tool<Input>(definition: LabTool<Input>): LabTool {
  return definition as LabTool;
}
