import { z } from "zod";
import type { Problems } from "./problems.ts";
import type { Path, Source } from "./source.ts";
import { closest, suggestion } from "./suggest.ts";

type Issue = z.core.$ZodRawIssue;

/**
 * Checks a file's value against a schema; what is wrong is added to `problems` with its place, in words for people.
 * Null when anything is wrong.
 */
export function check<T>(schema: z.ZodType<T>, source: Source, problems: Problems): T | null {
  // Zod forgets which keys a mapping allows, so they are noted while it asks for the message.
  const allowedKeys = new Map<string, string[]>();
  const result = schema.safeParse(source.value, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys") allowedKeys.set(pathText(issue.path ?? []), keysOf(issue));
      return explain(issue);
    },
  });
  if (result.success) return result.data;
  const misspelt = misspeltKeys(result.error.issues, allowedKeys);
  for (const issue of result.error.issues) {
    if (!isMissing(issue) || !misspelt.has(pathText(issue.path))) report(issue, allowedKeys, source, problems);
  }
  return null;
}

/** Paths of keys that are there, as it seems, with another spelling: that says it all. */
function misspeltKeys(issues: readonly z.core.$ZodIssue[], allowedKeys: ReadonlyMap<string, string[]>): Set<string> {
  const misspelt = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") continue;
    for (const key of issue.keys) {
      const meant = closest(key, allowedKeys.get(pathText(issue.path)) ?? []);
      if (meant !== null) misspelt.add(pathText([...issue.path, meant]));
    }
  }
  return misspelt;
}

const isMissing = ({ message }: z.core.$ZodIssue): boolean => message.startsWith(missing);

function report(issue: z.core.$ZodIssue, allowedKeys: Map<string, string[]>, source: Source, problems: Problems): void {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    const allowed = allowedKeys.get(pathText(path)) ?? [];
    for (const key of issue.keys) {
      problems.add(source.keyAt([...path, key]), `${label(path)}${unknownKey(key, allowed)}`);
    }
  } else if (issue.code === "invalid_key") problems.add(source.keyAt(path), issueText(issue));
  else if (isMissing(issue)) problems.add(source.keyAt(path.slice(0, -1)), issueText(issue));
  else {
    const first: unknown = issue.code === "custom" ? issue.params?.["first"] : undefined;
    const at = typeof first === "number" ? source.valueAt([...path.slice(0, -1), first]) : null;
    const also = at === null ? "" : `; the first is at line ${at.line}, column ${at.column}`;
    problems.add(source.valueAt(path), `${issueText(issue)}${also}`);
  }
}

/**
 * Checks a value that has no lines against a schema.
 *
 * @param place where the value stands in what people wrote
 * @returns what is wrong, one sentence each, where anything is
 */
export function read<T>(schema: z.ZodType<T>, value: unknown, place: Path = []): { data: T } | { problems: string[] } {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return { data };
  return { problems: error.issues.map((issue) => issueText({ ...issue, path: [...place, ...issue.path] })) };
}

/** An issue with its place: `arms.dense: the key \`role\` is missing; expected text`. */
export function issueText(issue: Pick<z.core.$ZodIssue, "path" | "message"> & { issues?: unknown }): string {
  const { path, message, issues } = issue;
  const [about] = Array.isArray(issues) ? (issues as { message?: string }[]) : [];
  if (about !== undefined) return `${label(path.slice(0, -1))}${about.message ?? "this name is not allowed"}`;
  if (message.startsWith(missing) && path.length > 0) {
    return `${label(path.slice(0, -1))}the key \`${String(path.at(-1))}\` ${message}`;
  }
  return `${label(path)}${message}`;
}

/** `the key \`x\` is unknown` with what is allowed. */
function unknownKey(key: string, allowed: string[]): string {
  const meant = suggestion(key, allowed);
  return `the key \`${key}\` is unknown${meant === "" ? "" : meant} (allowed: ${allowed.join(", ")})`;
}

/** `arms.dense.role: `, or nothing for the root. */
function label(path: Path): string {
  return path.length === 0 ? "" : `${pathText(path)}: `;
}

/** A path as people write it: `stages[0].seeds`. */
export function pathText(path: Path): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .replace(/^\./, "");
}

/** Begins the message about a key that is not there; its place is then the mapping that lacks it. */
export const missing = "is missing";

// Wherever else a schema is checked, as by the frameworks of the API and of the tools, people read the same words.
z.config({ customError: explain });

/** What was found and what is allowed, for every kind of issue that our schemas can raise. */
function explain(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type": {
      const expected = expectation(isWhole(issue) ? "int" : String(issue.expected));
      if (issue.input === undefined) return `${missing}; expected ${expected}`;
      const quotes = issue.expected === "string" && isBare(issue.input) ? "; put it in quotes" : "";
      return `found ${described(issue.input)}, expected ${expected}${quotes}`;
    }
    case "invalid_value":
      return explainChoice(issue.values.map(String), issue.input);
    case "invalid_union":
      return discriminators(issue).length === 0
        ? notAllowed(issue.input)
        : explainChoice(discriminators(issue), discriminated(issue));
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey(key, keysOf(issue))).join("; ");
    case "too_small":
      return explainBound(
        issue.origin,
        issue.inclusive === false ? "more than" : "at least",
        issue.minimum,
        issue.input,
      );
    case "too_big":
      return explainBound(
        issue.origin,
        issue.inclusive === false ? "less than" : "at most",
        issue.maximum,
        issue.input,
      );
    default:
      return notAllowed(issue.input);
  }
}

const notAllowed = (input: unknown): string => `found ${described(input)}, which is not allowed here`;

function explainChoice(values: string[], input: unknown): string {
  const expected =
    values.length === 1 ? `\`${values[0]}\`` : `one of ${values.map((value) => `\`${value}\``).join(", ")}`;
  if (input === undefined) return `${missing}; expected ${expected}`;
  const meant = typeof input === "string" ? suggestion(input, values) : "";
  return `found ${described(input)}, expected ${expected}${meant}`;
}

function explainBound(origin: string, relation: string, bound: number | bigint, input: unknown): string {
  if (origin === "array") return `found ${count(input)}, expected ${relation} ${bound}`;
  if (origin === "string")
    return input === ""
      ? "found empty text"
      : `found ${String(input).length} characters, expected ${relation} ${bound}`;
  return `found ${described(input)}, expected ${origin === "int" ? "a whole number" : "a number"} of ${relation} ${bound}`;
}

function count(input: unknown): string {
  const entries = Array.isArray(input) ? input.length : 0;
  return entries === 0 ? "an empty list" : `a list of ${entries}`;
}

const expectations: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "`true` or `false`",
  array: "a list",
  object: "a mapping (`key: value`)",
  record: "a mapping (`name: value`)",
  nonoptional: "a value",
};

function expectation(expected: string): string {
  return expectations[expected] ?? expected;
}

/** A value as people see it in the file: ``text `abc` ``, ``number `3` ``, `a list`. */
export function described(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return value === "" ? "empty text" : `text \`${shortened(value)}\``;
  if (typeof value === "number") return `number \`${written(value)}\``;
  if (typeof value === "boolean") return `\`${value}\``;
  if (!Array.isArray(value)) return "a mapping";
  const isFlat = value.every((entry) => typeof entry !== "object" || entry === null);
  const entries = isFlat ? `[${value.map((entry: unknown) => written(entry)).join(",")}]` : "";
  return entries === "" || entries.length > 40 ? "a list" : `the list \`${entries}\``;
}

/** As YAML writes it: JSON has no word for some numbers. */
function written(value: unknown): string {
  if (typeof value !== "number" || Number.isFinite(value)) return JSON.stringify(value);
  if (Number.isNaN(value)) return ".nan";
  return value > 0 ? ".inf" : "-.inf";
}

/** The message about a value that a reader refused. */
export function refused(value: unknown, problem: string): string {
  return value === undefined ? `${missing}; ${problem}` : `found ${described(value)}; ${problem}`;
}

function shortened(text: string): string {
  const line = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return line.length > 40 ? `${line.slice(0, 40)}...` : line;
}

function isBare(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean";
}

function isWhole(issue: Issue): boolean {
  const definition = issue.inst?._zod.def;
  return definition !== undefined && "format" in definition && definition.format === "safeint";
}

function keysOf(issue: Issue): string[] {
  const definition = issue.inst?._zod.def;
  return definition !== undefined && "shape" in definition ? Object.keys(definition.shape as object) : [];
}

function discriminators(issue: Issue): string[] {
  return Array.isArray(issue["options"]) ? issue["options"].map(String) : [];
}

function discriminated(issue: Issue): unknown {
  const key = issue["discriminator"];
  const { input } = issue;
  return typeof key === "string" && typeof input === "object" && input !== null ? Reflect.get(input, key) : undefined;
}
