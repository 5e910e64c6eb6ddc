import { InvestigationDirectory } from "../../conductor/investigations/directory.ts";
import { logOf } from "../../conductor/investigations/queries.ts";
import { hangingTools } from "../../conductor/hanging-tools.ts";
import { findSession } from "../../conductor/queries.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import type { InvestigationSummary, InvestigationView } from "../contract/views/investigations.ts";
import type { ApiContext } from "../context.ts";
import { presentSession } from "./issues.ts";

export async function presentInvestigation(
  { board }: Pick<ApiContext, "board">,
  record: InvestigationRecord,
): Promise<InvestigationSummary> {
  const { id, number, project, question, state, outcome, evidence, next, directory, started_at, ended_at } = record;
  return {
    ...{ id, number, project, question, state, outcome, evidence, next, directory, started_at, ended_at },
    waits_for: await board.investigations.waitsFor(record),
    explanations: record.explanations.length,
    session: record.session_id,
  };
}

export async function presentInvestigationStory(
  context: Pick<ApiContext, "board" | "lab">,
  record: InvestigationRecord,
): Promise<InvestigationView> {
  const { db } = context.lab.store;
  const { servers, compute, max_turns, explanations, summary } = record;
  return {
    investigation: await presentInvestigation(context, record),
    ...{ servers, compute, max_turns, explanations, summary },
    log: await logOf(db, record.id),
    artifacts: new InvestigationDirectory(record.directory).listArtifacts(),
    hanging: await hangingTools(db, record.session_id),
    session: await presentSession(context, await findSession(db, record.session_id), null),
  };
}
