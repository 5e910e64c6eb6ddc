import type { FootnoteDefinition, PhrasingContent, Root, RootContent } from "mdast";
import remarkGfm from "remark-gfm";
import remarkStringify from "remark-stringify";
import { unified } from "unified";
import { shortId } from "../../domain/format/words.ts";
import { runsBlock, type Citing } from "./blocks.ts";
import type { DocumentFacts } from "./facts.ts";
import { figureFile } from "./figure.ts";
import { code, paragraph, text } from "./nodes.ts";
import type { ParsedDocument } from "./parse.ts";
import { runsByCell, Sources, type Source } from "./sources.ts";
import { resolvedTree } from "./tree.ts";

export interface RenderedMarkdown {
  markdown: string;
  /** Files that lie beside it. */
  figures: { name: string; svg: string }[];
}

const processor = unified()
  .use(remarkGfm, { singleTilde: false, tableCellPadding: true })
  .use(remarkStringify, { bullet: "-", rule: "-", fences: true })
  .freeze();

/** Markdown that stands alone, as GitHub shows it: numbers as text with their runs in footnotes, figures in files. */
export function renderMarkdown({ root, body }: ParsedDocument, facts: DocumentFacts, hash: string): RenderedMarkdown {
  const sources = new Sources();
  const figures: RenderedMarkdown["figures"] = [];
  const citing: Citing = {
    number: (content, source) => [...content, footnote(sources.of(source))],
    cell: (content) => content,
    whole: (source) => [footnote(sources.of(source))],
    figure: (figure, caption) => {
      const name = `figure-${figures.length + 1}.svg`;
      figures.push({ name, svg: figureFile(figure) });
      return [paragraph({ type: "image", url: name, alt: figure.title }), paragraph(...caption)];
    },
  };
  const tree = resolvedTree(root, body, facts, citing);
  const appendix: RootContent[] = [
    { type: "heading", depth: 2, children: [text("Runs")] },
    ...runsBlock(facts, (run) => code(shortId(run))),
    paragraph(
      text("Of "),
      code(facts.experiment.reference),
      text(". Numbers are resolved from recorded runs. Document "),
      code(hash),
      text("."),
    ),
    ...sources.all.map((source) => footnoteDefinition(source, facts)),
  ];
  const whole: Root = { ...tree, children: [...tree.children, ...appendix] };
  return { markdown: processor.stringify(whole), figures };
}

function footnote({ number }: Source): PhrasingContent {
  return { type: "footnoteReference", identifier: `runs-${number}`, label: `runs-${number}` };
}

/** Each run with its value, by the cell that it is of. */
function footnoteDefinition(source: Source, facts: DocumentFacts): FootnoteDefinition {
  const listed = runsByCell(source, facts).flatMap(([cell, runs], index, all) => [
    text(`${index === 0 ? "" : "; "}${all.length === 1 ? "" : `${cell}: `}`),
    ...runs.flatMap(({ run_id, seed, value }, place) => [
      text(`${place === 0 ? "" : ", "}seed ${seed}${value === null ? "" : ` = ${value}`} (`),
      code(shortId(run_id)),
      text(")"),
    ]),
  ]);
  const identifier = `runs-${source.number}`;
  const content = paragraph(text(`${source.about}: `), ...listed, text("."));
  return { type: "footnoteDefinition", identifier, label: identifier, children: [content] };
}
