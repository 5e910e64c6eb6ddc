import type { Heading, Root, RootContent } from "mdast";
import { toString } from "mdast-util-to-string";
import { suggestion } from "../../domain/files/suggest.ts";
import { placeOf } from "./directives.ts";
import { problem, type DocumentProblem } from "./problems.ts";

/** Every document has these, in this order. */
export const sectionNames = [
  "Question",
  "Why",
  "Method",
  "Results",
  "Takeaways",
  "Confidence",
  "Limits",
  "Next steps",
  "Reproduce",
] as const;
export type SectionName = (typeof sectionNames)[number];

/** A part of the document: `null` is what stands before the first section, which is the title. */
export interface Section {
  name: SectionName | null;
  heading: Heading | null;
  content: RootContent[];
}

export function sectionsOf(root: Root): Section[] {
  const sections: Section[] = [{ name: null, heading: null, content: [] }];
  for (const node of root.children) {
    if (node.type === "heading" && node.depth === 2) {
      sections.push({ name: sectionName(node), heading: node, content: [] });
    } else sections.at(-1)?.content.push(node);
  }
  return sections;
}

export function sectionName(heading: Heading): SectionName | null {
  const title = toString(heading).trim();
  return sectionNames.find((name) => name === title) ?? null;
}

/** Sections that are missing, unknown, doubled, empty or out of order. */
export function sectionProblems(root: Root): DocumentProblem[] {
  const [before, ...sections] = sectionsOf(root);
  const names = sections.map(({ name }) => name);
  return [
    ...titleProblems(before?.content ?? []),
    ...sections.flatMap((section, index) => ownProblems(section, names.slice(0, index))),
    ...missingProblems(root, names),
  ];
}

function titleProblems(content: readonly RootContent[]): DocumentProblem[] {
  const title = "Begin with one line `# TITLE`; everything else belongs below a section.";
  const titles = content.filter((node) => node.type === "heading" && node.depth === 1);
  const others = content.filter((node) => !titles.includes(node) && node.type !== "footnoteDefinition");
  return [
    ...(titles.length === 0 ? [problem("title", { line: 1, column: 1 }, "The document has no title.", title)] : []),
    ...[...titles.slice(1), ...others.slice(0, 1)].map((node) =>
      problem("title", placeOf(node), "Before the first section stands more than a title.", title),
    ),
  ];
}

function ownProblems({ name, heading, content }: Section, before: readonly (SectionName | null)[]): DocumentProblem[] {
  const place = heading === null ? { line: 1, column: 1 } : placeOf(heading);
  if (name === null) {
    const found = heading === null ? "" : toString(heading).trim();
    const next = `Use ${sectionNames.map((one) => `\`## ${one}\``).join(", ")}; begin parts of them with \`###\`.`;
    return [
      problem(
        "section-unknown",
        place,
        `There is no section \`${found}\`${suggestion(found, sectionNames) || "."}`,
        next,
      ),
    ];
  }
  if (before.includes(name)) {
    return [problem("section-double", place, `The section \`${name}\` stands twice.`, "Join the two.")];
  }
  const rank = sectionNames.indexOf(name);
  const late = before.find((one) => one !== null && sectionNames.indexOf(one) > rank);
  return [
    ...(late === undefined
      ? []
      : [problem("section-order", place, `\`${name}\` stands after \`${late}\`.`, `Move it before \`## ${late}\`.`)]),
    ...(content.some((node) => node.type !== "footnoteDefinition" && node.type !== "definition")
      ? []
      : [
          problem(
            "section-empty",
            place,
            `The section \`${name}\` is empty.`,
            "Write it; if there is nothing to say, say why.",
          ),
        ]),
    ...content
      .filter((node) => node.type === "heading" && node.depth === 1)
      .map((node) => problem("title", placeOf(node), "A second title.", "Use `###` for parts of a section.")),
  ];
}

function missingProblems(root: Root, names: readonly (SectionName | null)[]): DocumentProblem[] {
  const place = root.position?.end ?? { line: 1, column: 1 };
  return sectionNames
    .filter((name) => !names.includes(name))
    .map((name) => {
      const after = sectionNames[sectionNames.indexOf(name) - 1];
      const where = after === undefined ? "first" : `after \`${after}\``;
      return problem("section-missing", place, `The section \`${name}\` is missing.`, `Add \`## ${name}\` ${where}.`);
    });
}
