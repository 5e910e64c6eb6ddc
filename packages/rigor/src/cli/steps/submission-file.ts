import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isMap, isScalar, LineCounter, parseDocument, Scalar } from "yaml";
import type { Client } from "../../api/contract/contract.ts";
import { RigorError } from "../../domain/errors.ts";
import { reportedFailure } from "../output/failure.ts";

type Json = Parameters<Client["sessions"]["submit"]>[0]["content"];

export interface Submission {
  content: Json;
  /** Why it was refused, with the places of problems as the person finds them in the files. */
  inFiles: (error: unknown) => unknown;
}

/**
 * What a person hands in, from YAML or JSON. A text `@PATH` stands for the content of that file, relative to the one that
 * names it.
 *
 * @throws RigorError `not-found`, `file-invalid`
 */
export async function readSubmission(file: string): Promise<Submission> {
  const text = await read(file);
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines });
  const [problem] = parsed.errors;
  if (problem !== undefined) {
    throw new RigorError("file-invalid", `${file} cannot be read: ${problem.message}`, { cause: problem });
  }
  const content = await withFiles(parsed.toJS() as Json, dirname(file));
  const node = isMap(parsed.contents) ? parsed.contents.get("document", true) : undefined;
  const place = isScalar(node) ? placeIn(file, text, node, lines) : null;
  return { content, inFiles: (error) => (place === null ? error : withPlaces(error, place)) };
}

/** Says where a place of a text stands, given its line and column. */
type PlaceText = (line: number, column: number) => string;

function placeIn(file: string, text: string, node: Scalar, lines: LineCounter): PlaceText {
  const named = typeof node.value === "string" ? fileNamed(node.value) : null;
  if (named !== null) return (line, column) => `${resolve(dirname(file), named)}:${line}:${column}`;
  const start = node.range?.[0] ?? 0;
  // Other texts of YAML have other lines than what they stand for.
  if (node.type !== Scalar.BLOCK_LITERAL) return (line, column) => `document ${line}:${column}`;
  const [head = "", ...block] = text.slice(start).split("\n");
  const first = block.find((one) => one.trim() !== "") ?? "";
  const indent = Number(/[1-9]/.exec(head)?.[0] ?? first.length - first.trimStart().length);
  const above = lines.linePos(start).line;
  return (line, column) => `${file}:${above + line}:${column + indent}`;
}

function withPlaces(error: unknown, place: PlaceText): unknown {
  const failure = reportedFailure(error);
  if (failure?.code !== "refused") return error;
  const message = failure.message.replaceAll(
    /^- (\d+):(\d+): /gm,
    (_, line: string, column: string) => `- ${place(Number(line), Number(column))}: `,
  );
  return new RigorError("refused", message, { cause: error, ...(failure.next === null ? {} : { next: failure.next }) });
}

/** The file that a text `@PATH` stands for. */
const fileNamed = (text: string): string | null => (/^@\S+$/.test(text) ? text.slice(1) : null);

async function withFiles(value: Json, directory: string): Promise<Json> {
  if (typeof value === "string") {
    const named = fileNamed(value);
    return named === null ? value : await read(resolve(directory, named));
  }
  if (Array.isArray(value)) return Promise.all(value.map((item: Json) => withFiles(item, directory)));
  if (typeof value !== "object" || value === null) return value;
  const members = await Promise.all(
    Object.entries(value).map(async ([name, member]) => [name, await withFiles(member, directory)] as const),
  );
  return Object.fromEntries(members);
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new RigorError("not-found", `There is no file ${file} that can be read.`, { cause: error });
  }
}
