import type { Nodes, PhrasingContent, RootContent } from "mdast";
import { isDirective, placeOf, readDirective, type Directive } from "./directives.ts";
import type { Place } from "./problems.ts";

/** A run of text as a reader sees it, whatever markup it has, with the place of each character in the file. */
export interface Prose {
  /** Each directive is one {@link directiveMark}. Widths of digits and invisible characters are evened out. */
  text: string;
  places: readonly Place[];
  /** By the position of their mark. */
  directives: ReadonlyMap<number, Directive>;
  kind: "text" | "code";
}

/** Stands for a directive: no letter, no digit, no space. */
export const directiveMark = "\uFFFC";

export function placeAt(places: readonly Place[], at: number): Place {
  return places[at] ?? places.at(-1) ?? { line: 1, column: 1 };
}

/** All text below some nodes: one for each paragraph, heading, cell, code block, link title. */
export function proseIn(nodes: readonly RootContent[], source: string): Prose[] {
  return nodes.flatMap((node) => proseOf(node, source));
}

function proseOf(node: RootContent, source: string): Prose[] {
  switch (node.type) {
    case "paragraph":
    case "heading":
    case "tableCell": {
      const writer = new ProseWriter(source);
      for (const child of node.children) writer.add(child);
      return [writer.prose("text"), ...hiddenTexts(node)];
    }
    case "code": {
      const writer = new ProseWriter(source);
      writer.write(`${node.lang ?? ""} ${node.meta ?? ""}\n${node.value}`, node);
      return [writer.prose("code")];
    }
    case "leafDirective":
      // Shown beside the level.
      return node.name === "confidence" ? [plainProse(node.attributes?.["reason"] ?? "", node)] : [];
    case "definition":
      return node.title === null || node.title === undefined ? [] : [plainProse(node.title, node)];
    default:
      return "children" in node && !isDirective(node)
        ? (node.children as RootContent[]).flatMap((child) => proseOf(child, source))
        : [];
  }
}

/** Titles of links show when a pointer rests on them. */
function hiddenTexts(node: Nodes): Prose[] {
  if ((node.type === "link" || node.type === "image") && typeof node.title === "string") {
    return [plainProse(node.title, node)];
  }
  return "children" in node && !isDirective(node) ? (node.children as Nodes[]).flatMap(hiddenTexts) : [];
}

function plainProse(text: string, node: Nodes): Prose {
  const writer = new ProseWriter("");
  writer.write(text, node);
  return writer.prose("text");
}

class ProseWriter {
  #text = "";
  readonly #places: Place[] = [];
  readonly #directives = new Map<number, Directive>();
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  prose(kind: Prose["kind"]): Prose {
    return { text: this.#text, places: this.#places, directives: this.#directives, kind };
  }

  add(node: PhrasingContent): void {
    if (node.type === "text" || node.type === "inlineCode") this.write(node.value, node);
    else if (node.type === "break") this.write("\n", node);
    else if (node.type === "image" || node.type === "imageReference") this.write(node.alt ?? "", node);
    else if (isDirective(node)) this.#addDirective(node);
    else if (node.type === "link" && isAddress(node)) this.write(" ", node);
    else if ("children" in node) for (const child of node.children) this.add(child);
  }

  #addDirective(node: Parameters<typeof readDirective>[0]): void {
    const directive = readDirective(node);
    if ("name" in directive) this.#directives.set(this.#text.length, directive);
    this.#put(directiveMark, placeOf(node));
  }

  /** @param text as it is shown; where it differs from the source (escapes, entities) places are found as well as can be */
  write(text: string, node: Nodes): void {
    const first = placeOf(node);
    let at = node.position?.start.offset ?? null;
    const end = node.position?.end.offset ?? 0;
    let { line, column } = first;
    for (const character of text) {
      if (at !== null) {
        const found = this.#source.indexOf(character, at);
        if (found !== -1 && found < end && found - at <= 40) {
          for (; at < found; at += 1) [line, column] = after(this.#source[at], line, column);
        }
      }
      for (const part of evened(character)) this.#put(part, { line, column });
      if (at !== null && this.#source.startsWith(character, at)) {
        for (const unit of character) [line, column] = after(unit, line, column);
        at += character.length;
      }
    }
  }

  #put(unit: string, place: Place): void {
    this.#text += unit;
    for (let index = 0; index < unit.length; index += 1) this.#places.push(place);
  }
}

function after(character: string | undefined, line: number, column: number): [number, number] {
  return character === "\n" ? [line + 1, 1] : [line, column + (character?.length ?? 1)];
}

/** An address that is shown as it is: its digits are no claim. */
function isAddress({ url, children }: Extract<PhrasingContent, { type: "link" }>): boolean {
  const [only, ...others] = children;
  if (only?.type !== "text" || others.length > 0) return false;
  return [only.value, `http://${only.value}`, `https://${only.value}`, `mailto:${only.value}`].includes(url);
}

/** Text as the rules look at it. */
export function evenedText(text: string): string {
  return Array.from(text, evened).join("");
}

/** Wide and mathematical digits become plain ones, every other script's digits too; what shows nothing is left out. */
function evened(character: string): string {
  const plain = character
    .normalize("NFKC")
    .replace(/[\p{Cf}\u00AD]/gu, "")
    .replace(/[\u2212\u2010-\u2015]/g, "-");
  return plain.replace(/\p{Nd}/gu, (digit) => (/[0-9]/.test(digit) ? digit : String(digitValue(digit))));
}

/** Decimal digits of each script stand in a block of ten, from zero. */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return code - zero;
}
