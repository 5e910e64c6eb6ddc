import { isFull } from "../../hosts/system-errors.ts";
import type { Entry, Usage } from "../transcripts/entry.ts";
import type { Transcript } from "../transcripts/transcript.ts";
import type { SessionEnd } from "./backend.ts";
import { lastErrors } from "./error-file.ts";
import { GrowingLines } from "./growing-lines.ts";
import type { SessionDirectory } from "./session-directory.ts";
import type { Verdict } from "./verdict.ts";

/** What is made of one line of an agent's output. */
export interface Reading {
  entries: Entry[];
  /** Whether it shows that the agent or its model works. */
  progress: boolean;
}

/** Understands the output of one process of an agent. */
export interface AgentReader {
  read(line: string): Reading;
  /** Looks at what the agent keeps beside its output. */
  look?(): Promise<void>;
  /** What was held back because more of it may have come: when nothing more came for a while, or ever will. */
  held?(isOver: boolean): Entry[];
  /** What the process has used so far. */
  used(): Omit<Usage, "seconds">;
  /** How the agent has ended by its own words; null while it says nothing of it. */
  verdict(): Verdict | null;
  /** Why the agent cannot do its work; null where it can. */
  problem(): Verdict | null;
}

/** Brings what one process of a session writes into the session's transcript, each line once. */
export class Account {
  readonly reader: AgentReader;
  readonly refused: { tool: string; why: string }[] = [];
  readonly #directory: SessionDirectory;
  readonly #transcript: Transcript;
  readonly #number: number;
  readonly #output: GrowingLines;
  /** Lines that are in the transcript already. */
  readonly #told: number;
  #line = 0;
  #unreadable: string | null = null;
  #full: string | null = null;

  constructor(parts: {
    directory: SessionDirectory;
    transcript: Transcript;
    number: number;
    reader: AgentReader;
    told: number;
  }) {
    this.reader = parts.reader;
    this.#directory = parts.directory;
    this.#transcript = parts.transcript;
    this.#number = parts.number;
    this.#told = parts.told;
    this.#output = new GrowingLines(parts.directory.output(parts.number));
  }

  /** Why the transcript cannot be written any more; null while it can. */
  get full(): string | null {
    return this.#full;
  }

  /** Whole lines that have come. */
  get lines(): number {
    return this.#line;
  }

  /** What follows the last whole line. */
  get rest(): string {
    return this.#output.rest().trim();
  }

  /** Takes in what has come since the last time, and says what it means. */
  async takeIn(isOver = false): Promise<Reading> {
    const all: Reading = { entries: [], progress: false };
    const told: Parameters<Transcript["append"]>[0][number][] = [];
    const lines = await this.#output.read();
    for (const line of lines) {
      this.#line++;
      if (line.trim() === "") continue;
      const { entries, progress } = this.reader.read(line);
      all.progress ||= progress;
      all.entries.push(...entries);
      if (this.#line <= this.#told) continue;
      for (const entry of entries) told.push({ entry, source: [this.#number, this.#line] });
    }
    const held = isOver || lines.length === 0 ? (this.reader.held?.(isOver) ?? []) : [];
    all.entries.push(...held);
    for (const entry of held) told.push({ entry, source: [this.#number, this.#line] });
    await this.reader.look?.();
    for (const entry of all.entries) {
      if (entry.kind === "unreadable") this.#unreadable ??= entry.text;
      if (entry.kind === "refused") this.refused.push({ tool: entry.tool, why: this.#transcript.text(entry.why) });
    }
    await this.#append(told);
    return all;
  }

  /** Writes how the session has ended. */
  async conclude({ outcome, evidence }: Verdict, usage: Usage, next: string | null): Promise<SessionEnd> {
    const errors = lastWords(await this.lastErrors());
    const end = { outcome, evidence: this.#transcript.text(evidence), next };
    // Where the disk is full, the end has room then.
    this.#directory.removeOutput(this.#number);
    if (errors !== "") await this.add({ kind: "notice", text: errors });
    await this.add({ kind: "usage", usage }, { kind: "end", ...end });
    this.#directory.forgetProcess();
    return { ...end, usage, refused: this.refused };
  }

  /** Adds what no line says. */
  async add(...entries: Entry[]): Promise<void> {
    await this.#append(entries.map((entry) => ({ entry, source: null })));
  }

  /** The first thing that could not be read, also where the last line is not whole; null where all could. */
  unreadable(): string | null {
    return this.#unreadable ?? (this.rest === "" ? null : this.rest.slice(0, 500));
  }

  /** The last lines that the process wrote to its standard error. */
  async lastErrors(): Promise<string[]> {
    return await lastErrors(this.#directory.errors(this.#number));
  }

  async #append(told: Parameters<Transcript["append"]>[0]): Promise<void> {
    try {
      await this.#transcript.append(told);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#full ??= error instanceof Error ? error.message : String(error);
    }
  }
}

/** What a program said last, in one line: from the line on that names its error, where one does. */
export function lastWords(lines: readonly string[]): string {
  const told = lines.filter((line) => !/^(at |stack backtrace:|note: )/.test(line));
  const error = told.findLastIndex((line) => /^(?:\w*Error|error|fatal|panic)\b|\bpanicked at\b/i.test(line));
  return (error === -1 ? told.slice(-3) : told.slice(error)).join("; ").slice(0, 1000);
}
