import { matchAt, PartList, readBrace, simplePlaceholders, type Quoting, type Scan } from "./placeholders.ts";

/**
 * Splits a POSIX shell command into text and placeholders, and finds the quotes around each placeholder.
 * Where quotes follow other rules (command substitution, here-documents, comments), or where shells differ
 * in reading them, placeholders are refused instead of guessed.
 */
export function scanShell(command: string): Scan {
  return new ShellScanner(command).scan();
}

const simpleExpansion = /\$\{[^'"\\$`{}\n]*\}/y;
const specialParameter = /\$[$#?!*@0-9-]/y;
const hereDocument = /<<(-?)[ \t]*(?:'([^'\n]*)'|"([^"\n\\$`]*)"|([A-Za-z0-9_]+)(?=[ \t\n;&|()<>]|$))/y;

class ShellScanner {
  readonly #command: string;
  readonly #list = new PartList();
  readonly #problems: string[] = [];
  readonly #pendingBodies: { delimiter: string; stripTabs: boolean; expands: boolean }[] = [];
  #offset = 0;
  #quoting: Quoting = "none";
  /** Whether a `#` here would begin a comment. */
  #atWordStart = true;
  /** The construct after which quotes cannot be followed with certainty. */
  #lostAfter: string | null = null;

  constructor(command: string) {
    this.#command = command;
  }

  scan(): Scan {
    while (this.#offset < this.#command.length) {
      if (this.#quoting === "none") this.#unquoted();
      else if (this.#quoting === "single") this.#single();
      else this.#double();
    }
    if (this.#quoting !== "none" && this.#lostAfter === null) {
      this.#problems.push(`a ${this.#quoting} quote is never closed`);
    }
    return { parts: this.#list.parts, problems: this.#problems };
  }

  #unquoted(): void {
    const character = this.#command[this.#offset];
    switch (character) {
      case "\\": {
        // A backslash and a line break vanish, so they neither begin nor end a word.
        if (this.#command[this.#offset + 1] !== "\n") this.#atWordStart = false;
        return this.#copy(2);
      }
      case "'":
        return this.#quote("single");
      case '"':
        return this.#quote("double");
      case "`":
        return this.#backquotes();
      case "$":
        return this.#dollar();
      case "{":
        return this.#brace();
      case "#":
        if (this.#atWordStart) return this.#comment();
        return this.#copy(1);
      case "\n":
        this.#atWordStart = true;
        this.#copy(1);
        return this.#hereDocumentBodies();
      case "<":
        return this.#less();
      case "(":
        if (this.#command[this.#offset + 1] === "(" || this.#continues(this.#offset + 1)) this.#lose("`((`");
        this.#atWordStart = true;
        return this.#copy(1);
      default:
        this.#atWordStart = /[ \t;&|)>]/.test(character ?? "");
        return this.#copy(1);
    }
  }

  #single(): void {
    const character = this.#command[this.#offset];
    if (character === "'") return this.#quote("none");
    return character === "{" ? this.#brace() : this.#copy(1);
  }

  #double(): void {
    const character = this.#command[this.#offset];
    if (character === '"') return this.#quote("none");
    if (character === "\\") return this.#copy(2);
    if (character === "`") return this.#backquotes();
    if (character === "$") return this.#dollar();
    return character === "{" ? this.#brace() : this.#copy(1);
  }

  /** Whether a backslash and a line break stand here: they vanish, so that what follows joins what is before. */
  #continues(offset: number): boolean {
    return this.#command.startsWith("\\\n", offset);
  }

  #copy(length: number): void {
    this.#list.text(this.#command.slice(this.#offset, this.#offset + length));
    this.#offset += length;
  }

  #quote(quoting: Quoting): void {
    this.#quoting = quoting;
    this.#atWordStart = false;
    this.#copy(1);
  }

  #brace(): void {
    this.#atWordStart = false;
    const brace = readBrace(this.#command, this.#offset);
    this.#offset += brace.length;
    if ("text" in brace) return this.#list.text(brace.text);
    if (this.#lostAfter === null) return this.#list.placeholder(brace.placeholder, this.#quoting);
    this.#refuse(brace.placeholder, `after ${this.#lostAfter}, where quotes cannot be followed`);
  }

  #dollar(): void {
    this.#atWordStart = false;
    const special = matchAt(specialParameter, this.#command, this.#offset);
    if (special !== null) return this.#copy(special[0].length);
    const next = this.#command[this.#offset + 1];
    if (next === "{") {
      const simple = matchAt(simpleExpansion, this.#command, this.#offset);
      if (simple !== null) return this.#copy(simple[0].length);
      this.#lose("a `${...}` that holds quotes or braces");
    } else if (next === "(") {
      const end = substitutionEnd(this.#command, this.#offset + 2);
      if (end !== null) return this.#region(end, "inside `$( )`");
      this.#lose("a `$( )` that holds `case`, comments, here-documents or an open quote");
    } else if (this.#continues(this.#offset + 1)) {
      this.#lose("`$` at the end of a line that goes on");
    } else if (next === "[" || (next === "'" && this.#quoting === "none")) {
      this.#lose(`\`$${next}\``);
    }
    this.#copy(1);
  }

  #backquotes(): void {
    this.#atWordStart = false;
    const end = backquoteEnd(this.#command, this.#offset + 1);
    if (end === null) {
      this.#problems.push("a backquote is never closed");
      this.#lose("an open backquote");
      return this.#copy(1);
    }
    // Shells differ in what quotes mean here, and bash differs from itself when it expands braces.
    if (/['"\\]/.test(this.#command.slice(this.#offset, end))) this.#lose("backquotes that hold quotes");
    this.#region(end, "inside backquotes");
  }

  #comment(): void {
    const end = this.#command.indexOf("\n", this.#offset);
    this.#region(end < 0 ? this.#command.length : end, "inside a comment");
  }

  #less(): void {
    this.#atWordStart = true;
    if (this.#continues(this.#offset + 1)) this.#lose("`<` at the end of a line that goes on");
    if (this.#command[this.#offset + 1] !== "<") return this.#copy(1);
    const match = matchAt(hereDocument, this.#command, this.#offset);
    if (match === null) {
      this.#lose("`<<`");
      return this.#copy(2);
    }
    const [text, dash, single, double, bare] = match;
    const delimiter = single ?? double ?? bare ?? "";
    this.#pendingBodies.push({ delimiter, stripTabs: dash === "-", expands: bare !== undefined });
    this.#atWordStart = false;
    this.#copy(text.length);
  }

  #hereDocumentBodies(): void {
    for (const { delimiter, stripTabs, expands } of this.#pendingBodies.splice(0)) {
      const start = this.#offset;
      let end = start;
      let closed = false;
      while (!closed && end < this.#command.length) {
        const lineEnd = this.#command.indexOf("\n", end);
        const next = lineEnd < 0 ? this.#command.length : lineEnd;
        const line = this.#command.slice(end, next);
        closed = (stripTabs ? line.replace(/^\t+/, "") : line) === delimiter;
        // Such a line goes on in the next one, which then does not end the document.
        if (expands && line.endsWith("\\")) this.#lose("a here-document with `\\` at the end of a line");
        end = Math.min(next + 1, this.#command.length);
      }
      this.#region(end, "inside a here-document");
      this.#atWordStart = true;
    }
  }

  /** Copies text up to an offset; placeholders in it are refused. */
  #region(end: number, where: string): void {
    while (this.#offset < end) {
      if (this.#command[this.#offset] !== "{") {
        this.#copy(1);
        continue;
      }
      const brace = readBrace(this.#command, this.#offset);
      this.#offset += brace.length;
      if ("text" in brace) this.#list.text(brace.text);
      else this.#refuse(brace.placeholder, where);
    }
  }

  #refuse(placeholderName: string, where: string): void {
    this.#problems.push(
      `\`{${placeholderName}}\` stands ${where}, where it cannot be quoted safely; ${remedy(placeholderName)}`,
    );
  }

  #lose(construct: string): void {
    this.#lostAfter ??= construct;
  }
}

function remedy(placeholderName: string): string {
  for (const [simple, variable] of Object.entries(simplePlaceholders)) {
    if (simple === placeholderName) return `use the environment variable \`$${variable}\` there`;
  }
  const variable = placeholderName.replace(/^.*?\./, "").replace(/[^A-Za-z0-9_]/g, "_");
  return `write \`${variable}={${placeholderName}}\` on a line of its own before, and use \`$${variable}\` there`;
}

/** The offset after the backquote that closes, or null. */
function backquoteEnd(text: string, start: number): number | null {
  for (let offset = start; offset < text.length; offset++) {
    if (text[offset] === "\\") offset++;
    else if (text[offset] === "`") return offset + 1;
  }
  return null;
}

/** The offset after the `)` that closes a `$(`, or null when that cannot be told with certainty. */
function substitutionEnd(text: string, start: number): number | null {
  let depth = 1;
  let offset = start;
  while (offset < text.length) {
    const next = substitutionStep(text, offset);
    if (next === null) return null;
    if (text[offset] === "(") depth++;
    if (text[offset] === ")") depth--;
    offset = next;
    if (depth === 0) return /\bcase\b/.test(text.slice(start, offset)) ? null : offset;
  }
  return null;
}

/** The offset after what begins here inside `$( )`: one character, or all of a quotation. */
function substitutionStep(text: string, offset: number): number | null {
  switch (text[offset]) {
    case "\\":
      return text[offset + 1] === "\n" ? null : offset + 2;
    case "'": {
      const end = text.indexOf("'", offset + 1);
      return end < 0 ? null : end + 1;
    }
    case '"':
      return doubleQuoteEnd(text, offset + 1);
    case "`":
      return backquoteEnd(text, offset + 1);
    case "$":
      return dollarEnd(text, offset, true);
    case "#":
      return null;
    case "<":
      return text[offset + 1] === "<" ? null : offset + 1;
    default:
      return offset + 1;
  }
}

function doubleQuoteEnd(text: string, start: number): number | null {
  let offset = start;
  while (offset < text.length) {
    const character = text[offset];
    if (character === '"') return offset + 1;
    let next: number | null = offset + 1;
    if (character === "\\") next = offset + 2;
    if (character === "`") next = backquoteEnd(text, offset + 1);
    if (character === "$") next = dollarEnd(text, offset, false);
    if (next === null) return null;
    offset = next;
  }
  return null;
}

function dollarEnd(text: string, offset: number, unquoted: boolean): number | null {
  const special = matchAt(specialParameter, text, offset) ?? matchAt(simpleExpansion, text, offset);
  if (special !== null) return offset + special[0].length;
  const next = text[offset + 1];
  if (next === "(") return substitutionEnd(text, offset + 2);
  if (next === "{" || next === "[" || (next === "'" && unquoted)) return null;
  return next === "\\" && text[offset + 2] === "\n" ? null : offset + 1;
}
