import { matchAt, PartList, plainText, readBrace, type Part } from "./placeholders.ts";

type Word = readonly Part[] | null;

/** Words that a shell understands itself: what follows them, or whether they fail, is not known. */
const shellWords = new Set(
  (
    ". : [ [[ ! { } alias bg bind break builtin caller case cd chdir command continue declare dirs disown do done echo elif " +
    "else enable esac eval exec exit export false fc fg fi for function getopts hash help history if in jobs kill let " +
    "local logout mapfile popd printf pushd pwd read readarray readonly return select set shift shopt source suspend " +
    "test then time times trap true type typeset ulimit umask unalias unset until wait while"
  ).split(" "),
);

const assignment = /^[A-Za-z_][A-Za-z0-9_]*=/;

interface SimpleCommand {
  words: Word[];
  /** What ends it: `&&`, `|`, `;` (also for a line's end), nothing, or what makes its failure harmless. */
  end: "&&" | "|" | ";" | "" | "tolerated";
}

/** What a command is, and the directory that it starts in. */
interface Leading {
  words: Word[];
  directory: string;
}

/**
 * The first command of a shell command that is no preparation (`set -e`, `cd DIR`, `export A=b`), if the whole certainly
 * fails without it; no words otherwise. Only what every POSIX shell reads alike is understood.
 */
export function leadingCommand(text: string): Leading {
  const reader = new HeadReader(text.replace(/[\s;]+$/, ""));
  const state = { directory: ".", errexit: false };
  const unknown = (): Leading => ({ words: [], directory: state.directory });
  for (;;) {
    const command = reader.command();
    if (command === null || command.words.some(setsPath)) return unknown();
    const words = withoutAssignments(command.words);
    if (!prepare(words, state)) {
      const certain = fails(command.end, state.errexit) && !reader.mayRecover(state.errexit) && isProgram(words[0]);
      return certain ? { words, directory: state.directory } : unknown();
    }
    if (command.end !== "&&" && command.end !== ";") return unknown();
  }
}

/** Whether a command only prepares for those after it; what it changes is noted. */
function prepare(words: readonly Word[], state: { directory: string; errexit: boolean }): boolean {
  const texts = words.map(plain);
  const [name, ...rest] = texts;
  if (words.length === 0 || name === "export" || name === ":" || name === "umask" || name === "ulimit") return true;
  if (name === "set" && !rest.includes(null)) {
    for (const word of rest) if (/^[-+][a-z]*e/.test(word ?? "")) state.errexit = word?.startsWith("-") ?? false;
    return true;
  }
  const [target] = rest;
  if (name !== "cd" || rest.length !== 1 || typeof target !== "string" || /^[-/~]/.test(target)) return false;
  state.directory = `${state.directory}/${target}`;
  return true;
}

/** Whether the whole fails where a command that ends so is missing. */
const fails = (end: SimpleCommand["end"], errexit: boolean): boolean => (end === ";" ? errexit : end !== "tolerated");

function isProgram(word: Word | undefined): boolean {
  if (word === undefined || word === null) return false;
  const name = plainText(word);
  return name === null || !shellWords.has(name);
}

/** `A=1 exec env B=2 python x.py` -> `python x.py` */
function withoutAssignments(words: readonly Word[]): Word[] {
  const first = words.findIndex((word) => !isAssignment(word));
  if (first < 0) return [];
  const name = plain(words[first] ?? null);
  const rest = words.slice(first + 1);
  if ((name === "exec" || name === "env") && rest.length > 0 && plain(rest[0] ?? null)?.startsWith("-") !== true) {
    return withoutAssignments(rest);
  }
  return words.slice(first);
}

function isAssignment(word: Word): boolean {
  const [first] = word ?? [];
  return first !== undefined && "text" in first && assignment.test(first.text);
}

const setsPath = (word: Word): boolean => {
  const [first] = word ?? [];
  return first !== undefined && "text" in first && /^PATH\+?=/.test(first.text);
};

const plain = (word: Word): string | null => (word === null ? null : plainText(word));

const plainCharacters = /[A-Za-z0-9_./+@%:,=^-]+/y;
const singleQuoted = /'([^']*)'/y;
const expansion = /\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})/y;
/** What a shell may replace by other text. */
const pattern = /[*?[\]~!{}]/y;
const gap = /(?:\s|#[^\n]*)*/y;
const blank = /(?:[ \t]|\\\n)+/y;
const redirection = /[0-9]*(?:>>|>&|<&|>\||>|<(?![<(]))[ \t]*(?:[A-Za-z0-9_./+@%:,-]+|"[^"\\`$]*")/y;
const commandEnd = /&&|\|\||[|;&\n]/y;

/** Reads simple commands from the front, and gives up at whatever it does not know for certain. */
class HeadReader {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  command(): SimpleCommand | null {
    const words: Word[] = [];
    this.#take(gap);
    for (;;) {
      this.#take(blank);
      if (this.#offset >= this.#text.length) return words.length === 0 ? null : { words, end: "" };
      if (this.#take(redirection) !== null) continue;
      const end = this.#take(commandEnd);
      if (end !== null) return words.length === 0 ? null : { words, end: meaning(end) };
      const word = this.#word();
      if (word === undefined) return null;
      words.push(word);
    }
  }

  /** Whether what follows may make up for a failure of the command just read. */
  mayRecover(errexit: boolean): boolean {
    const rest = this.#text.slice(this.#offset).trim();
    return errexit ? /\|\|/.test(rest) : /\|\||[;\n]|[^&>]&(?![&>])/.test(rest);
  }

  /** One word; null for one that is known only when it runs, undefined for what is not understood. */
  #word(): Word | undefined {
    const list = new PartList();
    let known = true;
    const start = this.#offset;
    for (;;) {
      const character = this.#text[this.#offset];
      const text = this.#take(plainCharacters)?.[0] ?? this.#take(singleQuoted)?.[1];
      if (text !== undefined) list.text(text);
      else if (character === '"') {
        const inside = this.#doubleQuoted(list);
        if (inside === undefined) return undefined;
        known &&= inside;
      } else if (character === "{") {
        const brace = readBrace(this.#text, this.#offset);
        if ("placeholder" in brace) list.placeholder(brace.placeholder, "none");
        else known = false;
        this.#offset += brace.length;
      } else if (this.#take(pattern) !== null || this.#take(expansion) !== null) known = false;
      else break;
    }
    const next = this.#text[this.#offset];
    if (this.#offset === start || (next !== undefined && !/[\s;&|<>\\]/.test(next))) return undefined;
    if (next === "\\" && this.#text[this.#offset + 1] !== "\n") return undefined;
    // Assignments keep their name, so that they are known as such.
    return known || isAssignment(list.parts) ? list.parts : null;
  }

  /** Reads a quotation; true if all of it is known, undefined if it is not understood. */
  #doubleQuoted(list: PartList): boolean | undefined {
    let known = true;
    this.#offset += 1;
    for (;;) {
      const character = this.#text[this.#offset];
      if (character === undefined || character === "\\" || character === "`") return undefined;
      if (character === '"') {
        this.#offset += 1;
        return known;
      }
      if (character === "$") {
        if (this.#take(expansion) === null) return undefined;
        known = false;
      } else if (character === "{") {
        const brace = readBrace(this.#text, this.#offset);
        if ("placeholder" in brace) list.placeholder(brace.placeholder, "double");
        else list.text(brace.text);
        this.#offset += brace.length;
      } else {
        list.text(character);
        this.#offset += 1;
      }
    }
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    const match = matchAt(pattern, this.#text, this.#offset);
    if (match !== null) this.#offset += match[0].length;
    return match;
  }
}

function meaning(end: RegExpExecArray): SimpleCommand["end"] {
  const [text] = end;
  if (text === "\n") return ";";
  return text === "&&" || text === "|" || text === ";" ? text : "tolerated";
}
