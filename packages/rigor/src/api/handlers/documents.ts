import { findExperiment } from "../../bench/records/lookup.ts";
import { RigorError } from "../../domain/errors.ts";
import { reference } from "../../domain/rules/experiment-rules.ts";
import { experimentOf } from "../../reports/document/head.ts";
import type { DocumentFacts } from "../../reports/document/facts.ts";
import type { ApiContext } from "../context.ts";
import { api } from "../implementation.ts";
import { documentFacts } from "../present/documents.ts";

/** Loaded when a document is first asked for: parsers and figures would slow down every start. */
const reader = () => import("../../reports/document/reader.ts");

export const documents = {
  draft: api.documents.draft.handler(async ({ context, input }) => {
    const experiment = await findExperiment(context.lab.store.db, input.reference);
    const { draftDocument } = await import("../../reports/document/draft.ts");
    return {
      experiment: reference(experiment),
      source: draftDocument(await documentFacts(context.lab, experiment)),
    };
  }),

  check: api.documents.check.handler(async ({ context, input: { source } }) => {
    const { checkDocument } = await reader();
    const facts = await factsOf(source, context);
    const { problems } = await checkDocument(source, facts);
    return { experiment: facts.experiment.reference, problems };
  }),

  render: api.documents.render.handler(async ({ context, input: { source, draft } }) => {
    const { renderDocument } = await reader();
    const facts = await factsOf(source, context);
    return { experiment: facts.experiment.reference, ...(await renderDocument(source, facts, { draft })) };
  }),
};

async function factsOf(source: string, { lab }: Pick<ApiContext, "lab">): Promise<DocumentFacts> {
  const named = experimentOf(source);
  if (named === null) {
    throw new RigorError("file-invalid", "The document names no experiment.", {
      next: "Begin the file with three lines: `---`, `experiment: NAME@VERSION`, `---`.",
    });
  }
  return documentFacts(lab, await findExperiment(lab.store.db, named));
}
