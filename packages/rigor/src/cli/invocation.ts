import { RigorError } from "../domain/errors.ts";

/** The words of one command line, after they were checked against its specification. */
export class Invocation {
  readonly command: string;
  readonly #words: readonly string[];
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(command: string, words: readonly string[], options: Readonly<Record<string, unknown>>) {
    this.command = command;
    this.#words = words;
    this.#options = options;
  }

  /** An argument that may be absent. */
  word(index: number): string | undefined {
    return this.#words[index];
  }

  /** An argument that the specification requires. @throws RigorError `usage` if it is empty */
  required(index: number): string {
    const word = this.#words[index];
    if (word === undefined) throw new RigorError("internal", `The command ${this.command} got too few arguments.`);
    if (word === "") throw this.usageError("An empty argument names nothing.");
    return word;
  }

  /** All words. */
  words(): readonly string[] {
    return this.#words;
  }

  flag(name: string): boolean {
    return this.#options[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#options[name];
    return typeof value === "string" ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.#options[name];
    return typeof value === "number" ? value : undefined;
  }

  /** A value with commas between its parts. */
  list(name: string): string[] | undefined {
    const parts = this.text(name)
      ?.split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    return parts === undefined || parts.length === 0 ? undefined : parts;
  }

  usageError(message: string): RigorError {
    return new RigorError("usage", message, { next: `\`rigor ${this.command} --help\` shows what is possible.` });
  }
}
