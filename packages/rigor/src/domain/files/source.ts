import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type YAMLError } from "yaml";
import type { Node, Pair, Scalar } from "yaml";
import { Problems, type Position } from "./problems.ts";

/** A key of a mapping or an index of a list, from the root of the file. */
export type Path = readonly PropertyKey[];

/** What a YAML file holds, and where each part of it stands. */
export interface Source {
  value: unknown;
  /** Where the value at a path stands; the nearest part above it when the path leads nowhere. */
  valueAt(path: Path): Position;
  /** Where the key that leads to a path stands; the value itself for entries of lists. */
  keyAt(path: Path): Position;
}

const maxCharacters = 1_000_000;
/** Enough for any file a person writes; a "billion laughs" file passes it at once. */
const maxAliases = 100;
const maxDepth = 100;
const tooDeep = `the file is nested too deeply; at most ${maxDepth} levels are allowed`;

/**
 * Reads one YAML 1.2 mapping. What is not plain data (tags, several documents, keys that are no text, a second
 * key of the same name, `__proto__`) is a problem with a position. Null when nothing can be read further.
 */
export function readYaml(input: string, problems: Problems): Source | null {
  const text = input.startsWith("\uFEFF") ? input.slice(1) : input;
  if (text.length > maxCharacters) {
    problems.add(
      { line: 1, column: 1 },
      `the file has ${text.length} characters, at most ${maxCharacters} are allowed`,
    );
    return null;
  }
  if (!checkText(text, problems)) return null;
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    const [first] = [...document.errors, ...document.warnings];
    if (first !== undefined) problems.add(position(first.pos[0]), explainYaml(first, text));
    const { version } = document.directives?.yaml ?? {};
    if (version !== undefined && version !== "1.2") {
      problems.add(
        { line: 1, column: 1 },
        `YAML ${version} is declared, only YAML 1.2 is read; delete the \`%YAML\` line`,
      );
    }
    if (problems.any) return null;
    checkNodes(document, problems, position);
    if (problems.any) return null;
    return { value: document.toJS({ maxAliasCount: maxAliases }), ...positions(document, position) };
  } catch (error) {
    if (error instanceof ReferenceError) {
      problems.add(
        { line: 1, column: 1 },
        `the file uses its anchors too often, at most ${maxAliases} uses are allowed`,
      );
      return null;
    }
    if (error instanceof RangeError) {
      problems.add({ line: 1, column: 1 }, tooDeep);
      return null;
    }
    throw error;
  }
}

/** Where the value at a path of a file that was read before stands. */
export function positionOf(text: string, path: Path): Position {
  return readYaml(text, new Problems(""))?.valueAt(path) ?? { line: 1, column: 1 };
}

/** Whether a file that was read before has a key at its top. */
export function hasKey(text: string, key: string): boolean {
  const value = readYaml(text, new Problems(""))?.value;
  return typeof value === "object" && value !== null && Object.hasOwn(value, key);
}

/** Things that are wrong with the text whatever YAML makes of them. */
function checkText(text: string, problems: Problems): boolean {
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    const marker = /^(<{7}|>{7}|\|{7})( |\r?$)/.exec(line) ?? /^={7}\r?$/.exec(line);
    if (marker !== null) {
      const found = marker[0].trim();
      problems.add(
        { line: index + 1, column: 1 },
        `found \`${found}\`, a mark of an unfinished merge; resolve the conflict`,
      );
      return false;
    }
    // The characters that YAML forbids, as they come from binary files and broken encodings.
    const control = /(?![\t\r\u0080-\u009F])[\p{Cc}\uFFFD]/u.exec(line);
    if (control !== null) {
      const code = control[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
      problems.add(
        { line: index + 1, column: control.index + 1 },
        `found the character U+${code}; expected text in UTF-8`,
      );
      return false;
    }
  }
  return true;
}

function explainYaml(error: YAMLError, text: string): string {
  const character = text[error.pos[0]] ?? "";
  if (/call stack/.test(error.message)) return tooDeep;
  switch (error.code) {
    case "TAB_AS_INDENT":
      return "found a tab before the text; indent with spaces";
    case "MULTIPLE_DOCS":
      return "found a second document after `---`; one file holds one document";
    case "TAG_RESOLVE_FAILED":
      return `found a tag (${error.message.replace(/^Unresolved tag: /, "")}); tags are not allowed, write the value alone`;
    case "BAD_SCALAR_START":
      return `text cannot start with \`${character}\`; put it in quotes`;
    case "BLOCK_AS_IMPLICIT_KEY":
      return "found a second `:` or deeper indentation after a value; put the value in quotes, or start a new line";
    case "BAD_DQ_ESCAPE":
      return "found an unknown escape after `\\`; write `\\\\`, or use single quotes";
    case "MULTILINE_IMPLICIT_KEY":
      return "found text without `key: value`; a key needs a colon and a space after it";
    case "MISSING_CHAR":
      return `the text is incomplete: ${lowerFirst(error.message)}`;
    case "BAD_INDENT":
      return `the indentation or a bracket is wrong: ${lowerFirst(error.message)}`;
    default:
      return `this is not valid YAML: ${lowerFirst(error.message)}`;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function checkNodes(document: Document, problems: Problems, position: (offset: number) => Position): void {
  const start = (node: unknown): Position => position((node as Node | null)?.range?.[0] ?? 0);
  const visit = (node: unknown, depth: number): void => {
    if (depth > maxDepth) return problems.add(start(node), tooDeep);
    const tag = (node as Node | null)?.tag;
    if (tag !== undefined && isTagged(node)) {
      problems.add(start(node), `found a tag (${tag}); tags are not allowed, write the value alone`);
    }
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined)
        problems.add(start(node), `found \`*${node.source}\`, but no \`&${node.source}\` before it`);
      else if (contains(target, node)) problems.add(start(node), `\`*${node.source}\` lies inside what it names`);
    } else if (isSeq(node)) {
      for (const item of node.items) visit(item, depth + 1);
    } else if (isMap(node)) {
      checkKeys(node.items, problems, start);
      for (const pair of node.items) visit(pair.value, depth + 1);
    } else if (isScalar(node)) {
      const problem = scalarProblem(node);
      if (problem !== null) problems.add(start(node), problem);
    }
  };
  visit(document.contents, 0);
}

function scalarProblem({ value, source = "" }: Scalar): string | null {
  if (typeof value === "string" && !value.isWellFormed()) {
    return "found half of a surrogate pair; write the character itself";
  }
  if (typeof value !== "number" || !/^[-+]?\d+$/.test(source) || Number.isSafeInteger(value)) return null;
  // Only text may be longer: a seed in quotes would be no seed.
  return `the number ${source} cannot be kept exactly, and whole numbers go to ${Number.MAX_SAFE_INTEGER}; if it is text, put it in quotes`;
}

function isTagged(node: unknown): boolean {
  // A tag of the core schema (`!!str`) resolves silently; it is refused for `!!binary`, `!!set` and the like.
  const tag = (node as Node).tag ?? "";
  return !/^(tag:yaml\.org,2002:|!!)(str|int|float|bool|null|map|seq)$/.test(tag);
}

function contains(target: Node, alias: Node): boolean {
  const [start, end] = [target.range?.[0] ?? 0, target.range?.[1] ?? 0];
  const offset = alias.range?.[0] ?? -1;
  return offset >= start && offset < end;
}

function checkKeys(pairs: readonly Pair[], problems: Problems, start: (node: unknown) => Position): void {
  const seen = new Map<string, Position>();
  for (const { key } of pairs) {
    const at = start(key);
    if (!isScalar(key) || key.value === null || key.value === "") {
      problems.add(
        at,
        isScalar(key)
          ? "found an empty key"
          : "found braces, brackets or an alias where a key belongs; quote text that starts with `{`, `[` or `*`",
      );
      continue;
    }
    const name = `${key.value as string | number | boolean | bigint}`;
    const first = seen.get(name);
    if (first !== undefined) {
      problems.add(
        at,
        `the key \`${name}\` is there twice; the first is at line ${first.line}, column ${first.column}`,
      );
    }
    seen.set(name, first ?? at);
    if (name === "<<")
      problems.add(at, "merge keys (`<<`) are not allowed; repeat the values, or use an alias for a whole value");
    if (name === "__proto__") problems.add(at, "`__proto__` is not allowed as a name");
  }
}

function positions(document: Document, position: (offset: number) => Position): Omit<Source, "value"> {
  const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  const offsets = (path: Path): { key: number; value: number } => {
    let node: unknown = document.contents;
    let found = { key: start(node), value: start(node) };
    for (const step of path) {
      const inside = resolve(node);
      if (isMap(inside)) {
        const pair = inside.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
        if (pair === undefined) return found;
        node = pair.value;
        found = { key: start(pair.key), value: isEmpty(node) ? start(pair.key) : start(node) };
      } else if (isSeq(inside) && inside.items[Number(step)] !== undefined) {
        node = inside.items[Number(step)];
        found = { key: start(node), value: start(node) };
      } else return found;
    }
    return found;
  };
  return {
    valueAt: (path) => position(offsets(path).value),
    keyAt: (path) => position(offsets(path).key),
  };
}

function start(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function isEmpty(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null);
}
