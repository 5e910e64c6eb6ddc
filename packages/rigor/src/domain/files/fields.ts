import { z } from "zod";
import { canonicalJson, type Json } from "../canonical.ts";
import { described, refused } from "./explain.ts";
import { readSeeds, type SeedSpec } from "./seeds.ts";
import type { Reading } from "./units.ts";

// The kinds of value that experiment and settings files share. `type` in the metadata is what the reference prints.

/** A field that is read by a function instead of by zod. */
export function read<T>(type: string, reader: (input: unknown) => Reading<T>) {
  return z
    .unknown()
    .transform((input, context): T => {
      const reading = reader(input);
      if ("value" in reading) return reading.value;
      context.addIssue({ code: "custom", message: refused(input, reading.problem) });
      return z.NEVER;
    })
    .meta({ type });
}

/** A duration or size that may be absent. */
export function orNull<T>(type: string, reader: (input: unknown) => Reading<T>) {
  return read<T | null>(`${type} or null`, (input) => (input === null ? { value: null } : reader(input))).default(null);
}

export const seeds = z
  .unknown()
  .transform((input, context): SeedSpec => {
    const reading = readSeeds(input);
    if ("value" in reading) return reading.value;
    if ("problem" in reading) {
      context.addIssue({ code: "custom", message: refused(input, reading.problem) });
      return z.NEVER;
    }
    for (const { index, problem, first } of reading.problems) {
      context.addIssue({ code: "custom", path: [index], params: { first }, message: problem });
    }
    return z.NEVER;
  })
  .meta({ type: "list of whole numbers, or `{ count, from }`" });

/** Text for people; never empty. */
export const prose = z.string().min(1);

/** A name that may hold spaces and letters of any script, because it is only shown, compared and passed on. */
export const freeName = z
  .string()
  .superRefine((name, context) => {
    const problem = freeNameProblem(name);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
  })
  .meta({ type: "text" });

function freeNameProblem(name: string): string | null {
  if (name.trim() === "") return "a name must not be empty";
  if (name.trim() !== name) return `the name ${JSON.stringify(name)} starts or ends with white space`;
  if (name.length > 200) return `a name has ${name.length} characters, at most 200 are allowed`;
  if (/\p{Cc}/u.test(name)) return `the name ${JSON.stringify(name)} has a control character or a line break`;
  return null;
}

/** A name that must match a pattern; `allowed` says the pattern in words. */
export function patternName(pattern: RegExp, allowed: string) {
  return z
    .string()
    .superRefine((name, context) => {
      if (pattern.test(name)) return;
      context.addIssue({ code: "custom", message: `found the name ${JSON.stringify(name)}; allowed: ${allowed}` });
    })
    .meta({ type: "text" });
}

/** A name of a parameter or an input: it can be written as `{parameters.NAME}`. */
export const variableName = patternName(
  /^[\p{L}_][\p{L}\p{M}\p{N}_.-]{0,99}$/u,
  "letters, digits, `_`, `.`, `-`, starting with a letter or `_`, at most 100 characters",
);

/** A path below a root, in the form `a/b`; `.` is the root itself. */
export function relativePath(root: string) {
  return read<string>("path", (input) => {
    const problem = pathProblem(input, root);
    if (problem !== null) return { problem };
    const parts = String(input)
      .split("/")
      .filter((part) => part !== "" && part !== ".");
    return { value: parts.length === 0 ? "." : parts.join("/") };
  });
}

function pathProblem(input: unknown, root: string): string | null {
  const expected = `expected a path relative to ${root}`;
  if (typeof input !== "string" || input === "") return expected;
  if (/\p{Cc}/u.test(input)) return `${expected}, without control characters and line breaks`;
  if (input.startsWith("/")) return `${expected}, not one that starts at \`/\``;
  if (input.startsWith("~")) return `${expected}, not one in a home directory`;
  if (input.includes("\\")) return `${expected}, with \`/\` between its parts`;
  if (input.split("/").includes("..")) return `${expected}, without \`..\``;
  return null;
}

/** Any value that JSON carries, without NaN and infinity. */
export const json = z
  .unknown()
  .transform((input, context): Json => {
    const problem = jsonProblem(input);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
    return problem === null ? (input as Json) : z.NEVER;
  })
  .meta({ type: "any value" });

function jsonProblem(input: unknown): string | null {
  try {
    canonicalJson(input);
    return null;
  } catch {
    return `found ${described(input)}; a parameter must be text, a finite number, true, false, null, a list or a mapping of these`;
  }
}

/** A list in which nothing is named twice. */
export function uniqueList<T>(entry: z.ZodType<T>) {
  return z.array(entry).superRefine((entries, context) => {
    const firstIndex = new Map<string, number>();
    for (const [index, value] of entries.entries()) {
      const text = canonicalJson(value);
      const first = firstIndex.get(text);
      if (first === undefined) firstIndex.set(text, index);
      else context.addIssue({ code: "custom", path: [index], params: { first }, message: `${text} is listed twice` });
    }
  });
}

/** A mapping from names to values that must have at least one entry. */
export function namedAtLeastOnce<K extends string, T>(name: z.ZodType<K, K>, value: z.ZodType<T>, problem: string) {
  return z.record(name, value).superRefine((record, context) => {
    if (Object.keys(record).length === 0) context.addIssue({ code: "custom", message: problem });
  });
}
