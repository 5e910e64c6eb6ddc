import { canonicalJson, type Json } from "./canonical.ts";
import { RigorError } from "./errors.ts";
import { closest, suggestion } from "./files/suggest.ts";
import { scanArgument, simplePlaceholders, type Part, type Quoting, type Scan } from "./placeholders.ts";
import { scanShell } from "./shell-scan.ts";

/** What the placeholders of a command stand for. */
export interface CommandValues {
  seed: number;
  arm: string;
  task: string;
  parameters: Record<string, Json>;
  /** Paths at which the run finds its inputs. */
  inputs: Record<string, string>;
  /** Paths of what it needs of other runs; empty text for what only other arms need. */
  needs: Record<string, string>;
  /** The directory into which the run writes. */
  output: string;
  run_id: string;
  attempt: number;
  /** Directory of the last attempt's checkpoints; null, which gives empty text, on a fresh start. */
  resume: string | null;
}

/** A command for `/bin/sh -c`, or an argument list that no shell reads. */
export type RenderedCommand = { shell: string } | { argv: string[] };

/** Names that a command may use. */
export interface CommandNames {
  parameters: Iterable<string>;
  inputs: Iterable<string>;
  needs: Iterable<string>;
}

/** Kinds of placeholders that name something, as in `{parameters.lr}`. */
const groups = ["parameters", "inputs", "needs"] as const;

const groupOf = (placeholder: string) => groups.find((group) => placeholder.startsWith(`${group}.`)) ?? "parameters";

/** A problem of a command, and the argument that has it; null for a shell command. */
export interface CommandProblem {
  argument: number | null;
  problem: string;
}

/**
 * Fills in the placeholders of a command. In a shell command each becomes one quoted argument or part of one, whatever
 * quotes stand around it; in a list each argument is passed exactly.
 *
 * @throws RigorError `file-invalid` when a placeholder is unknown, stands where it cannot be quoted, or has a NUL byte.
 */
export function renderCommand(run: string | readonly string[], values: CommandValues): RenderedCommand {
  const { parameters, inputs, needs } = values;
  const names = { parameters: Object.keys(parameters), inputs: Object.keys(inputs), needs: Object.keys(needs) };
  const [first] = checkCommand(run, names);
  if (first !== undefined) {
    throw new RigorError("file-invalid", `The command cannot be run: ${first.problem}`, {
      next: "Correct `run` in the experiment file.",
    });
  }
  if (typeof run !== "string")
    return { argv: run.map((argument) => fill(scanArgument(argument), values, (text) => text)) };
  return { shell: fill(scanShell(run), values, quoteWithin) };
}

/** What is wrong with the placeholders of a command, before any value is known. */
export function checkCommand(run: string | readonly string[], names: CommandNames): CommandProblem[] {
  const scans: [number | null, Scan][] =
    typeof run === "string" ? [[null, scanShell(run)]] : run.map((text, index) => [index, scanArgument(text)]);
  const allowed = groups.flatMap((group) => Array.from(names[group], (name) => `${group}.${name}`));
  return scans.flatMap(([argument, { parts, problems }]) => {
    const used = parts.flatMap((part) => ("placeholder" in part ? [part.placeholder] : []));
    const unknown = used.filter((name) => name.includes(".") && !allowed.includes(name));
    return [...problems, ...unknown.map((name) => unknownPlaceholder(name, allowed))].map((problem) => ({
      argument,
      problem,
    }));
  });
}

/** A word in braces; after `$` it is a variable of the shell, and a brace before it may be somebody else's template. */
const bracedWord = /(?<![$\\{])\{([\p{L}_][\p{L}\p{N}_-]*)\}/gu;

/** Notes on words in braces that reach the command as they stand, where a placeholder may have been meant. */
export function unfilledNotes(run: string | readonly string[], names: CommandNames): string[] {
  const meantBy = (word: string): string | null => {
    for (const group of groups) if ([...names[group]].includes(word)) return `${group}.${word}`;
    return closest(word, Object.keys(simplePlaceholders));
  };
  const texts = (typeof run === "string" ? [scanShell(run)] : run.map(scanArgument)).flatMap(({ parts }) =>
    parts.flatMap((part) => ("text" in part ? part.text : [])),
  );
  const words = new Set(texts.flatMap((text) => Array.from(text.matchAll(bracedWord), ([, word = ""]) => word)));
  return [...words].flatMap((word) => {
    const meant = Object.hasOwn(simplePlaceholders, word) ? null : meantBy(word);
    return meant === null
      ? []
      : `\`{${word}}\` in \`run\` is no placeholder and stays as it is; is \`{${meant}}\` meant?`;
  });
}

function unknownPlaceholder(name: string, allowed: string[]): string {
  const kind = groupOf(name);
  const known = allowed.filter((candidate) => candidate.startsWith(`${kind}.`)).map((candidate) => `{${candidate}}`);
  const list = known.length === 0 ? `there are no ${kind}` : `allowed: ${known.join(", ")}`;
  const meant = suggestion(`{${name}}`, known);
  const noun = { parameters: "parameter of every run", inputs: "input of every run", needs: "need of any run" }[kind];
  return `\`{${name}}\` names no ${noun}${meant} (${list}; \`{{${name}}}\` is plain text)`;
}

/** A word of a command with its placeholders filled in, as the program gets it. */
export function fillWord(parts: readonly Part[], values: CommandValues): string {
  return fill({ parts: [...parts], problems: [] }, values, (text) => text);
}

function fill({ parts }: Scan, values: CommandValues, quote: (text: string, quoting: Quoting) => string): string {
  return parts
    .map((part) =>
      "text" in part ? refuseNul(part.text, "the command") : quote(valueOf(part.placeholder, values), part.quoting),
    )
    .join("");
}

function valueOf(placeholder: string, values: CommandValues): string {
  return refuseNul(plainValue(placeholder, values), `the value of \`{${placeholder}}\``);
}

function plainValue(placeholder: string, values: CommandValues): string {
  const dot = placeholder.indexOf(".");
  const name = placeholder.slice(dot + 1);
  if (dot > 0) {
    const group: Record<string, Json> = values[groupOf(placeholder)];
    return asText(group[name] ?? null);
  }
  switch (placeholder) {
    case "seed":
    case "attempt":
      return String(values[placeholder]);
    case "arm":
    case "task":
    case "output":
    case "run_id":
      return values[placeholder];
    case "resume":
      return values.resume ?? "";
    default:
      throw new RigorError("internal", `The placeholder \`{${placeholder}}\` has no value.`);
  }
}

/** Text as it is; anything else as JSON. */
function asText(value: Json): string {
  return typeof value === "string" ? value : canonicalJson(value);
}

function refuseNul(text: string, what: string): string {
  if (!text.includes("\0")) return text;
  throw new RigorError("file-invalid", `A NUL byte cannot be passed to a program, but ${what} has one.`, {
    next: "Take it out of the experiment file, or pass the value in a file.",
  });
}

/** Closes the quotes around a placeholder, gives the quoted value, and opens them again. */
function quoteWithin(text: string, quoting: Quoting): string {
  const mark = { none: "", single: "'", double: '"' }[quoting];
  return `${mark}${shellQuote(text)}${mark}`;
}

/** The text as exactly one word of a POSIX shell. NUL bytes cannot be passed and must be refused before. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
