import { specifications } from "../specifications/all.ts";
import { jsonOption, type CommandSpecification, type Names, type OptionSpecification } from "../specification.ts";
import { oneLine } from "../output/text.ts";

/** How long a shell may wait for names from the daemon. */
const patienceMs = 700;

/** A word that may stand at the cursor, and what it is. */
export interface Candidate {
  word: string;
  description: string;
}

/** Words that fit, or that files or directories fit. */
export type Completion = { candidates: Candidate[] } | { paths: "file" | "directory" };

/** Finds references; empty when no daemon runs. */
export type FindNames = (names: Names, prefix: string) => Promise<Candidate[]>;

/**
 * Prints what may stand at the place of the last word: a line `WORD<TAB>DESCRIPTION` each, or the line `:file` or
 * `:directory`. A failure prints nothing: it must never disturb somebody who types.
 */
export async function complete(words: readonly string[]): Promise<number> {
  const completion = await completionFor(words, findNames);
  const lines =
    "paths" in completion
      ? [`:${completion.paths}`]
      : completion.candidates.map(({ word, description }) => `${oneLine(word)}\t${oneLine(description)}`);
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

/** What may stand at the place of the last of the words behind `rigor`. */
export async function completionFor(words: readonly string[], find: FindNames): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const command = specifications.find(({ name }) => name === before[0]);
  const fitting = (all: Candidate[]): Completion => ({
    candidates: all.filter(({ word }) => word.startsWith(current)),
  });

  if (before.length === 0) return fitting(commandCandidates());
  if (command === undefined) return { candidates: [] };
  const open = optionWithValue(command, before.at(-1) ?? "");
  if (open !== undefined) return valueCompletion(open, current, find);
  if (current.startsWith("-")) return fitting(optionCandidates(command, before));
  const argument = command.arguments[positionals(command, before.slice(1)).length];
  return argument === undefined ? { candidates: [] } : valueCompletion(argument, current, find);
}

function commandCandidates(): Candidate[] {
  return specifications.map(({ name, summary }) => ({ word: name, description: summary }));
}

const helpOption: OptionSpecification = { flags: "--help", description: "Show help." };

function optionCandidates(command: CommandSpecification, used: readonly string[]): Candidate[] {
  return [...command.options, jsonOption, helpOption]
    .map(({ flags, description }) => ({ word: longFlag(flags), description }))
    .filter(({ word }) => !used.includes(word));
}

function longFlag(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

function takesValue({ flags }: OptionSpecification): boolean {
  return flags.includes("<");
}

function optionWithValue(command: CommandSpecification, word: string): OptionSpecification | undefined {
  return command.options.find((option) => takesValue(option) && option.flags.split(/[ ,]+/).includes(word));
}

/** The words that are neither options nor their values. */
function positionals(command: CommandSpecification, words: readonly string[]): string[] {
  return words.filter(
    (word, index) => !word.startsWith("-") && optionWithValue(command, words[index - 1] ?? "") === undefined,
  );
}

async function valueCompletion(
  { choices, names }: { choices?: readonly string[]; names?: Names },
  prefix: string,
  find: FindNames,
): Promise<Completion> {
  if (choices !== undefined) {
    return { candidates: choices.filter((word) => word.startsWith(prefix)).map((word) => ({ word, description: "" })) };
  }
  if (names === "file" || names === "directory") return { paths: names };
  if (names === undefined || names === "text") return { candidates: [] };
  return { candidates: (await find(names, prefix)).filter(({ word }) => word.startsWith(prefix)) };
}

const maxRuns = 500;

/** Asks the daemon, if one runs and answers quickly. */
async function findNames(names: Names, prefix: string): Promise<Candidate[]> {
  try {
    const { findDaemon } = await import("../daemon/client.ts");
    const found = findDaemon(process.env);
    if (found === null) return [];
    const { client } = found;
    const options = { signal: AbortSignal.timeout(patienceMs) };
    const experiments = async () => (await client.experiments.list({ limit: 1_000 }, options)).experiments;
    const runs = async () => (await client.runs.list({ limit: maxRuns }, options)).runs;
    const [someExperiments, someRuns] = await Promise.all([
      names === "run" ? [] : experiments(),
      // A run's id is known by its beginning only, so runs are offered where one was begun or nothing else fits.
      names === "run" || (names === "reference" && /^[0-9a-f]+$/.test(prefix)) ? runs() : [],
    ]);
    return [
      ...someExperiments.map(({ name, state, question }) => ({ word: name, description: question ?? state })),
      ...someRuns.map(({ id, arm, task, seed, state }) => ({
        word: id.slice(0, 10),
        description: `${arm}, ${task}, seed ${seed}: ${state}`,
      })),
    ];
  } catch {
    // No daemon, a slow one, or one that cannot be trusted: nothing to offer.
    return [];
  }
}
