import { open } from "node:fs/promises";

/** A longer line is none of an agent's protocol. */
const mostBytes = 64 * 1024 * 1024;
const newline = 10;

/** The lines of a file that another process writes to. */
export class GrowingLines {
  readonly #path: string;
  #offset = 0;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whole lines that have come since the last call. */
  async read(): Promise<string[]> {
    const file = await open(this.#path, "r");
    try {
      const lines: string[] = [];
      const buffer = Buffer.alloc(256 * 1024);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset);
        if (bytesRead === 0) return lines;
        this.#offset += bytesRead;
        lines.push(...this.#take(buffer.subarray(0, bytesRead)));
      }
    } finally {
      await file.close();
    }
  }

  /** What follows the last whole line. */
  rest(): string {
    return Buffer.concat(this.#rest).toString("utf8");
  }

  #take(bytes: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, from)) {
      lines.push(Buffer.concat([...this.#rest, bytes.subarray(from, end)]).toString("utf8"));
      this.#rest = [];
      this.#restBytes = 0;
      from = end + 1;
    }
    // The buffer is used again, so that what is kept is a copy.
    if (from < bytes.length && this.#restBytes <= mostBytes) {
      this.#rest.push(Buffer.from(bytes.subarray(from)));
      this.#restBytes += bytes.length - from;
    }
    return lines;
  }
}
