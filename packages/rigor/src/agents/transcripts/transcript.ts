import { appendFile, readFile, truncate } from "node:fs/promises";
import { isMissing } from "../../hosts/system-errors.ts";
import { entrySchema, noUsage, recordSchema, type Entry, type TranscriptRecord, type Usage } from "./entry.ts";
import type { Masker } from "./masking.ts";

/** Characters of one text that are kept. What an agent reads may be very long, and is elsewhere. */
const mostCharacters = 64 * 1024;

/** Which line of which process's output an entry came from. */
type Source = TranscriptRecord["source"];

/** The record of a session in its directory, one JSON line for each entry. Secrets are masked before they are written. */
export class Transcript {
  readonly path: string;
  readonly #masker: Masker;
  /** Whether the file ends with a whole line, as far as is known: a crash or a full disk may have cut one in two. */
  #isWhole = false;

  constructor(path: string, masker: Masker) {
    this.path = path;
    this.#masker = masker;
  }

  /** @throws an error of the file system, for example where the disk is full; nothing is added then */
  async append(entries: readonly { entry: Entry; source: Source }[]): Promise<void> {
    if (entries.length === 0) return;
    const time = new Date().toISOString();
    const lines = entries.map(({ entry, source }) => {
      const record: TranscriptRecord = { time, source, entry: this.masked(entry) };
      return `${JSON.stringify(record)}\n`;
    });
    if (!this.#isWhole) await mendEnd(this.path);
    this.#isWhole = false;
    await appendFile(this.path, lines.join(""), { mode: 0o600 });
    this.#isWhole = true;
  }

  /** An entry as it is kept. A text is masked before it is cut: a secret that is cut in two would not be found. */
  masked(entry: Entry): Entry {
    return entrySchema.parse(cut(this.#masker.value(entry)));
  }

  text(text: string): string {
    return this.#masker.text(text);
  }
}

/** Reads a transcript; one that does not exist is empty. The last line is left out where it is not whole. */
export async function readTranscript(path: string): Promise<TranscriptRecord[]> {
  const { lines, last } = await readLines(path);
  return (isRecord(last) ? [...lines, last] : lines).map((line) => recordSchema.parse(JSON.parse(line)));
}

/** Brings a transcript to the end of its last whole line, and the next one to the beginning of a line. */
async function mendEnd(path: string): Promise<void> {
  const { whole, last } = await readLines(path);
  if (isRecord(last)) await appendFile(path, "\n");
  else if (last !== "") await truncate(path, whole);
}

/** The lines of a file that end, how many bytes they are, and what follows them. */
async function readLines(path: string): Promise<{ lines: string[]; whole: number; last: string }> {
  try {
    const bytes = await readFile(path);
    const whole = bytes.lastIndexOf("\n") + 1;
    const lines = bytes.toString("utf8", 0, whole).split("\n").slice(0, -1);
    return { lines, whole, last: bytes.toString("utf8", whole) };
  } catch (error) {
    if (isMissing(error)) return { lines: [], whole: 0, last: "" };
    throw error;
  }
}

function isRecord(line: string): boolean {
  return recordSchema.safeParse(parseOrNull(line)).success;
}

/** What a session had used when its transcript was last written. */
export function usageIn(records: readonly TranscriptRecord[]): Usage {
  const last = records.findLast(({ entry }) => entry.kind === "usage");
  return last?.entry.kind === "usage" ? last.entry.usage : noUsage;
}

function cut(value: unknown): unknown {
  if (typeof value === "string") {
    if (value.length <= mostCharacters) return value;
    return `${value.slice(0, mostCharacters)}\n[${value.length - mostCharacters} more characters]`;
  }
  if (Array.isArray(value)) return value.map(cut);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, cut(one)]));
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
