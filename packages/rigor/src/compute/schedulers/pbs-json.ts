/** Attributes of a job by name; those that have parts, such as `resources_used`, are maps themselves. */
export type PbsRecord = ReadonlyMap<string, unknown>;

/**
 * The jobs in the JSON of `qstat -f -F json`, by id, or what another part of an answer names; null when it is not whole.
 *
 * Before 23.06, PBS writes JSON that is none: quotes, backslashes and line ends of the environment as they are, numbers
 * such as `005` (OpenPBS issues 1255 and 2541, pull requests 830 and 2049). Every version writes one attribute a line and
 * indents by depth, so that such an answer can still be read line by line. Values may be wrong then only where the
 * environment of a job imitates an attribute, and only for that job.
 */
export function readPbsJson(text: string, part = "Jobs"): Map<string, PbsRecord> | null {
  const answer = parseWhole(text) ?? readLines(text);
  if (answer === null) return null;
  // PBS Professional 2024.1 answers without jobs when none is known.
  const records = answer.get(part) ?? new Map();
  if (!(records instanceof Map)) return null;
  return new Map(
    [...(records as PbsRecord)].map(([id, record]) => [id, record instanceof Map ? (record as PbsRecord) : new Map()]),
  );
}

function parseWhole(text: string): PbsRecord | null {
  try {
    const answer: unknown = JSON.parse(text);
    return isObject(answer) ? asRecord(answer) : null;
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const asRecord = (value: Record<string, unknown>): PbsRecord =>
  new Map(Object.entries(value).map(([name, part]) => [name, isObject(part) ? asRecord(part) : part]));

/** Reads by indentation. Everything that was opened must be closed: what is cut short is no answer. */
function readLines(text: string): PbsRecord | null {
  const [first, ...lines] = text.trimEnd().split("\n");
  if (first?.trimEnd() !== "{") return null;
  const answer = new Map<string, unknown>();
  const open = [answer];
  for (const line of lines) {
    const { depth, content } = indented(line);
    const inner = open.at(-1);
    if (inner === undefined) return null;
    if (/^\},?$/.test(content) && depth === open.length - 1) open.pop();
    else if (depth === open.length) {
      const parts = setValue(inner, content);
      if (parts !== null) open.push(parts);
    }
  }
  return open.length === 0 ? answer : null;
}

/** Indentation is by one tab (23.06) or four spaces (before). */
function indented(line: string): { depth: number; content: string } {
  const space = /^(?:\t*|(?: {4})*)(?=\S)/.exec(line)?.[0] ?? "";
  return {
    depth: space.startsWith("\t") ? space.length : space.length / 4,
    content: line.slice(space.length).trimEnd(),
  };
}

/** Sets `"name": value`; for a value that has parts, returns the map for them. */
function setValue(record: Map<string, unknown>, content: string): Map<string, unknown> | null {
  const { name, value } = /^"(?<name>[^"\\]+)":\s*(?<value>.*?),?$/.exec(content)?.groups ?? {};
  if (name === undefined || value === undefined) return null;
  const parts = value === "{" ? new Map<string, unknown>() : null;
  record.set(name, parts ?? looseValue(value));
  return parts;
}

function looseValue(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value.replace(/^"/, "").replace(/"$/, "");
  }
}
