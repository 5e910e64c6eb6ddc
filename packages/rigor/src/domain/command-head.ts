import { fillWord, type CommandValues } from "./command.ts";
import { plainText, scanArgument, type Part } from "./placeholders.ts";
import { leadingCommand } from "./shell-head.ts";

/** A word of a command whose text is known once its placeholders are filled in; null where it cannot be known. */
export type Word = readonly Part[] | null;

/** A word with its place in an argument list; no place in a shell command. */
export interface PlacedWord {
  word: readonly Part[];
  argument: number | null;
}

/** What a command starts with, as far as that is known before it runs. */
export interface CommandHead {
  program: PlacedWord | null;
  /** The file that the program, a known interpreter, is told to run. */
  script: PlacedWord | null;
  /** Directory that relative paths begin in, below the one in which the command starts; `.` for that itself. */
  directory: string;
  /** The interpreter also looks for the script on PATH. */
  script_on_path: boolean;
}

/**
 * The program and the script that a command begins with. A shell command tells them only where it certainly fails
 * without them: what stands behind `if`, before `||`, or before a `;` without `set -e` may be missing on purpose.
 */
export function commandHead(run: string | readonly string[]): CommandHead {
  const shell = typeof run === "string";
  const leading = shell ? leadingCommand(run) : { words: run.map((text) => scanArgument(text).parts), directory: "." };
  const [program = null, ...rest] = leading.words;
  const place = (word: Word, index: number): PlacedWord | null =>
    word === null ? null : { word, argument: shell ? null : index };
  const interpreter = program === null ? undefined : interpreterOf(plainText(program));
  const script = interpreter === undefined ? -1 : scriptIndex(interpreter, rest);
  return {
    program: place(program, 0),
    script: script < 0 ? null : place(rest[script] ?? null, script + 1),
    directory: leading.directory,
    script_on_path: interpreter?.searches_path ?? false,
  };
}

/** Every text that a word has among some runs; empty where it holds what only an attempt knows. */
export function wordTexts(
  word: readonly Part[],
  runs: Iterable<Pick<CommandValues, "seed" | "arm" | "task" | "parameters">>,
): Set<string> {
  const names = word.flatMap((part) => ("placeholder" in part ? [part.placeholder] : []));
  if (names.length === 0) return new Set([plainText(word) ?? ""]);
  if (!names.every((name) => /^(seed|arm|task|parameters\..*)$/.test(name))) return new Set();
  const unknown = { inputs: {}, needs: {}, output: "", run_id: "", attempt: 0, resume: null };
  return new Set(Array.from(runs, (run) => fillWord(word, { ...unknown, ...run })));
}

interface Interpreter {
  name: RegExp;
  /** Options that neither take a value nor replace the script. Any other option ends the search. */
  flag: RegExp;
  /** Names that are looked up as they stand: Node finds `train.js` for `train`. */
  script: RegExp;
  searches_path?: boolean;
}

const interpreters: readonly Interpreter[] = [
  { name: /^(python|pypy)[0-9.]*$/, flag: /^-[bBdEIOPqRsSuvx]+$/, script: /./ },
  { name: /^(ba|da|z|k)?sh$/, flag: /^-[aefhkuvxC]+$/, script: /./, searches_path: true },
  {
    name: /^node$/,
    flag: /^--([\w-]+=.*|no-warnings|enable-source-maps|expose-gc|experimental-strip-types)$/,
    script: /\.[cm]?[jt]s$/,
  },
  { name: /^(Rscript|julia|perl|ruby)$/, flag: /^--vanilla$/, script: /./ },
];

function interpreterOf(program: string | null): Interpreter | undefined {
  const name = program?.replace(/^.*\//, "") ?? "";
  return interpreters.find((one) => one.name.test(name));
}

/** The index of the script among the arguments of an interpreter, or -1. */
function scriptIndex({ flag, script }: Interpreter, words: readonly Word[]): number {
  const index = words.findIndex((word) => word === null || !flag.test(plainText(word) ?? ""));
  const word = words[index] ?? null;
  if (word === null) return -1;
  const first = word[0];
  const isOption = first !== undefined && "text" in first && first.text.startsWith("-");
  const last = word.at(-1);
  const named = last !== undefined && ("placeholder" in last || script.test(last.text));
  return isOption || !named ? -1 : index;
}
