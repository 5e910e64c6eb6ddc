import { contentHash } from "../domain/canonical.ts";
import { newest, type IssueFacts } from "../domain/issues/facts.ts";
import { draftDocument } from "../reports/document/draft.ts";
import type { DocumentFacts } from "../reports/document/facts.ts";
import { experimentOf } from "../reports/document/head.ts";
import { problemText } from "../reports/document/problems.ts";
import { checkDocument, outlineDocument, renderDocument } from "../reports/document/reader.ts";

/** Result documents of issues: what may be handed in, and what reviewers and persons are shown. */
export class Documents {
  readonly #read: (experiment: string) => Promise<DocumentFacts>;

  /** @param read everything recorded that a document about an experiment may show */
  constructor(read: (experiment: string) => Promise<DocumentFacts>) {
    this.#read = read;
  }

  /** Why a document cannot be handed in, a sentence each; and the hash of it with all that it shows. */
  async check(facts: IssueFacts, source: string): Promise<{ problems: string[]; hash: string }> {
    const recorded = await this.#recorded(facts, source);
    if (recorded === null) return { problems: await unmeasured(source), hash: contentHash(source) };
    const { problems, hash } = await checkDocument(source, recorded);
    return { problems: problems.filter(({ severity }) => severity === "error").map(problemText), hash };
  }

  /** What was measured, in Markdown: of the issue's own experiment, or of each one that it uses. */
  async results(facts: IssueFacts): Promise<string> {
    const texts: string[] = [];
    for (const experiment of experimentsOf(facts)) {
      const recorded = await this.#read(experiment);
      texts.push((await renderDocument(draftDocument(recorded), recorded, { draft: true })).markdown);
    }
    return texts.length === 0 ? "Nothing was measured for this issue." : texts.join("\n\n");
  }

  /** What the author goes on with: the text of its newest document, or a draft. */
  async source(facts: IssueFacts): Promise<string> {
    const source = newest(facts, "result")?.content.document;
    if (source !== undefined) return source;
    const recorded = await this.#recorded(facts, null);
    return recorded === null ? outline : draftDocument(recorded);
  }

  /** A document, the newest if none is given, with its values filled in, as readers see it. */
  async present(facts: IssueFacts, source = newest(facts, "result")?.content.document): Promise<string> {
    if (source === undefined) return "There is no document yet.";
    const recorded = await this.#recorded(facts, source);
    if (recorded === null) return source;
    return (await renderDocument(source, recorded, { draft: true })).markdown;
  }

  /** Of the experiment that a document names, if the issue uses several. */
  async #recorded(facts: IssueFacts, source: string | null): Promise<DocumentFacts | null> {
    const candidates = experimentsOf(facts);
    const named = source === null ? null : experimentOf(source);
    const experiment = candidates.find((one) => one === named) ?? candidates[0];
    return experiment === undefined ? null : this.#read(experiment);
  }
}

/** The issue's own experiment, or those that its plan uses. */
const experimentsOf = (facts: IssueFacts): string[] =>
  facts.experiment === null ? (newest(facts, "plan")?.content.uses ?? []) : [facts.experiment.id];

/** Where nothing was measured, there are no values to fill in. */
const outline = "# Question\n\n# Findings\n\nEach with its source.\n\n# What is open\n";

async function unmeasured(source: string): Promise<string[]> {
  const { experiment, directives } = await outlineDocument(source);
  return experiment === null && directives === 0
    ? []
    : ["This issue measures nothing and uses no experiment, so its document can show no measured values."];
}
