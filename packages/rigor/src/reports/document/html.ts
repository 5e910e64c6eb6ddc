import type { Element, ElementContent, Root as HtmlRoot } from "hast";
import type { PhrasingContent, Root, RootContent } from "mdast";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import rehypeStringify from "rehype-stringify";
import remarkRehype from "remark-rehype";
import { unified } from "unified";
import { shortId } from "../../domain/format/words.ts";
import { runsBlock, type Citing } from "./blocks.ts";
import type { DocumentFacts } from "./facts.ts";
import { figurePanels } from "./figure.ts";
import { code, list, named, text } from "./nodes.ts";
import { htmlPage } from "./page.ts";
import type { ParsedDocument } from "./parse.ts";
import { sectionName, sectionNames } from "./sections.ts";
import { runsByCell, Sources, type Source } from "./sources.ts";
import { resolvedTree } from "./tree.ts";

/** Only what our own nodes need beside what GitHub lets through; nothing that an author types gets a class or an id. */
const schema: typeof defaultSchema = {
  ...defaultSchema,
  clobber: [],
  tagNames: [...(defaultSchema.tagNames ?? []), "figure", "figcaption"],
  attributes: {
    ...defaultSchema.attributes,
    a: [
      "href",
      "dataFootnoteBackref",
      "dataFootnoteRef",
      "ariaDescribedBy",
      "ariaLabel",
      ["className", "value", "data-footnote-backref"],
    ],
    p: [["className", /^(?:caption|outcome-\w+|confidence-\w+)$/]],
    span: [["className", "constant"]],
    code: [["className", /^language-[\w-]+$/, "unresolved", "run"]],
    figure: ["dataFigure"],
    "*": ["id", "align", "start", "title"],
  },
  protocols: { href: ["http", "https", "mailto"] },
};

const processor = unified()
  .use(remarkRehype, { clobberPrefix: "footnote-", footnoteLabel: "Footnotes" })
  .use(rehypeSanitize, schema)
  .freeze();
const writer = unified().use(rehypeStringify, { allowDangerousHtml: true }).freeze();

/** One file without scripts or anything from elsewhere: numbers link to their runs, figures stand in the text. */
export function renderHtml({ root, body }: ParsedDocument, facts: DocumentFacts, hash: string): string {
  const sources = new Sources();
  const figures: string[] = [];
  const citing: Citing = {
    number: (content, source) => [sourceLink(content, sources.of(source))],
    cell: (content, source) => [sourceLink(content, sources.of(source))],
    whole: (source) => [text(" "), sourceLink([text("Runs")], sources.of(source))],
    figure: (figure, caption) => {
      figures.push(figurePanels(figure).join(""));
      return [figureNode(figures.length - 1, caption)];
    },
  };
  const tree = withIds(resolvedTree(root, body, facts, citing));
  const appendix: RootContent[] = [
    { type: "heading", depth: 2, data: { hProperties: { id: "runs" } }, children: [text("Runs")] },
    ...runsBlock(facts, (run) => ({ ...code(shortId(run)), data: { hProperties: { id: `run-${run}`, title: run } } })),
    { type: "heading", depth: 2, data: { hProperties: { id: "values" } }, children: [text("Values")] },
    sourceList(sources.all, facts),
  ];
  const whole: Root = { ...tree, children: [...tree.children, ...appendix] };
  const title = titleOf(tree, facts);
  const clean = withFigures(processor.runSync(whole), figures);
  return htmlPage({ body: writer.stringify(clean), title, facts, hash });
}

function sourceLink(children: PhrasingContent[], { number, about }: Source): PhrasingContent {
  const properties = { hProperties: { className: ["value"], title: about } };
  return { type: "link", url: `#runs-${number}`, children, data: properties };
}

/** A number with each value that it was computed from, and the run of that. */
function sourceList(sources: readonly Source[], facts: DocumentFacts): RootContent {
  const items = list(
    sources.map((source) => [
      text(`${source.about}: `),
      ...runsByCell(source, facts).flatMap(([cell, runs], index, all) => [
        text(`${index === 0 ? "" : "; "}${all.length === 1 ? "" : `${cell}: `}`),
        ...runs.flatMap(({ run_id, seed, value }, place): PhrasingContent[] => [
          text(`${place === 0 ? "" : ", "}seed ${seed}${value === null ? "" : ` = ${value}`} `),
          { type: "link", url: `#run-${run_id}`, children: [named(code(shortId(run_id)), "run")] },
        ]),
      ]),
    ]),
  );
  for (const [index, item] of items.children.entries()) {
    item.data = { hProperties: { id: `runs-${sources[index]?.number}` } };
  }
  return items;
}

function figureNode(index: number, caption: PhrasingContent[]): RootContent {
  return {
    type: "paragraph",
    data: { hName: "figure", hProperties: { dataFigure: String(index) } },
    children: [{ type: "emphasis", data: { hName: "figcaption" }, children: caption }],
  };
}

function withIds(root: Root): Root {
  return {
    ...root,
    children: root.children.map((node) => {
      const name = node.type === "heading" && node.depth === 2 ? sectionName(node) : null;
      if (name === null) return node;
      return { ...node, data: { hProperties: { id: `section-${sectionNames.indexOf(name) + 1}` } } };
    }),
  };
}

/** Pictures come after the sanitising: they are made here, from text that is escaped. Wide tables get room to scroll. */
function withFigures(root: HtmlRoot, figures: readonly string[]): HtmlRoot {
  const visit = (node: ElementContent): ElementContent[] => {
    if (node.type !== "element") return [node];
    const children = node.children.flatMap(visit);
    const index = node.tagName === "figure" ? node.properties["dataFigure"] : undefined;
    if (typeof index === "string") {
      const picture = { type: "raw", value: `<div class="panels">${figures[Number(index)] ?? ""}</div>` } as const;
      return [{ ...node, properties: {}, children: [picture, ...children] }];
    }
    const whole: Element = { ...node, children };
    if (node.tagName !== "table") return [whole];
    return [{ type: "element", tagName: "div", properties: { className: ["table"], tabIndex: 0 }, children: [whole] }];
  };
  return { ...root, children: root.children.flatMap((node) => (node.type === "doctype" ? [] : visit(node))) };
}

function titleOf(root: Root, { experiment }: DocumentFacts): string {
  const title = root.children.find((node) => node.type === "heading" && node.depth === 1);
  return title === undefined ? experiment.reference : toText(title);
}

function toText(node: RootContent | PhrasingContent): string {
  if ("value" in node) return node.value;
  return "children" in node ? (node.children as RootContent[]).map(toText).join("") : "";
}
