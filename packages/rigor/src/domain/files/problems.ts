import { RigorError } from "../errors.ts";

const shown = 10;

/** A place in the text, both counted from 1. */
export interface Position {
  line: number;
  column: number;
}

/** Collects what is wrong with a file, so that people see all of it at once. */
export class Problems {
  readonly #file: string;
  readonly #found: { at: Position; text: string }[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  get any(): boolean {
    return this.#found.length > 0;
  }

  add(at: Position, text: string): void {
    this.#found.push({ at, text });
  }

  /** @throws RigorError `file-invalid` with the problems in the order of the file, ten at most. */
  throwIfAny(next: string): void {
    if (!this.any) return;
    const inOrder = this.#found.toSorted((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
    const lines = inOrder.slice(0, shown).map(({ at, text }) => `${this.#file}:${at.line}:${at.column}: ${text}`);
    if (inOrder.length > shown) lines.push(`and ${inOrder.length - shown} more`);
    throw new RigorError("file-invalid", lines.join("\n"), { next });
  }
}
