import { contentHash, type Json } from "../../domain/canonical.ts";
import { RigorError } from "../../domain/errors.ts";
import { plural } from "../../domain/format/numbers.ts";
import { checkParsed } from "./check.ts";
import { exactComparison } from "./comparisons.ts";
import { directivesIn, readDirective } from "./directives.ts";
import type { DocumentFacts } from "./facts.ts";
import { resolveInline } from "./inline.ts";
import { parseMarkdown, type ParsedDocument } from "./parse.ts";
import { problemText, type DocumentProblem } from "./problems.ts";
import { isUnresolved } from "./values.ts";

export interface RenderedDocument {
  markdown: string;
  html: string;
  /** The figures that the Markdown links to, by the names of their files. */
  figures: { name: string; svg: string }[];
  /** What an approval binds to. */
  hash: string;
  problems: DocumentProblem[];
}

/**
 * A document as Markdown and as HTML, with every number resolved.
 *
 * @param options.draft render what has errors, too, with what cannot be resolved as it was typed
 * @throws RigorError `file-invalid` for a document with errors
 */
export async function renderDocument(
  source: string,
  facts: DocumentFacts,
  { draft = false }: { draft?: boolean } = {},
): Promise<RenderedDocument> {
  const parsed = parseMarkdown(source);
  const problems = checkParsed(parsed, facts);
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0 && !draft) {
    throw new RigorError("file-invalid", errors.map(problemText).join("\n"), {
      next: `Mend ${plural(errors.length, "error")}, or render it as a draft.`,
    });
  }
  // Figures take a while to load, and nothing else needs them.
  const [{ renderMarkdown }, { renderHtml }] = await Promise.all([import("./markdown.ts"), import("./html.ts")]);
  const hash = hashOf(source, parsed, facts);
  return { ...renderMarkdown(parsed, facts, hash), html: renderHtml(parsed, facts, hash), hash, problems };
}

/**
 * Names a document together with every recorded value that it shows, unrounded, and the runs that these are from. A run
 * that becomes invalid later changes it. Remarks about the present, such as stale code, do not.
 */
export function documentHash(source: string, facts: DocumentFacts): string {
  return hashOf(source, parseMarkdown(source), facts);
}

function hashOf(source: string, { root }: ParsedDocument, facts: DocumentFacts): string {
  const { experiment, tables, decision, confidence, reproduction, runs } = facts;
  const shown = directivesIn(root)
    .map(readDirective)
    .filter((one) => "name" in one && one.stands === "text")
    .map((directive): Json => {
      if (!("name" in directive)) return null;
      const resolved = resolveInline(directive, facts);
      if (isUnresolved(resolved)) return null;
      return "source" in resolved
        ? resolved.source
        : { exact: resolved.exact, runs: resolved.runs.map(({ run_id }) => run_id) };
    });
  return contentHash({
    format: 1,
    source,
    shown,
    experiment,
    tables: tables.map(({ metric, rows }) => [
      metric,
      rows.map(({ arm, grid, cells }) => [arm, grid, cells.map(({ task, values }) => [task, values])]),
    ]),
    decision:
      decision === null
        ? null
        : [decision.outcome, decision.rule_hash, decision.notes, decision.comparisons.map(exactComparison)],
    confidence,
    runs: runs.map(({ run_id, state, result }) => [run_id, state, result]),
    reproduction,
  });
}
