import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { ProcessRecord } from "../../hosts/processes.ts";
import { isMissing } from "../../hosts/system-errors.ts";

const processSchema = z.object({ host: z.string(), pid: z.number(), started: z.string(), boot: z.string() });

const watchedSchema = z.object({ process: z.int(), seconds: z.number().nonnegative() });

/**
 * The directory of one session: every path in it is named here. Only `transcript.jsonl` is masked: the rest may hold
 * secrets, is readable by the owner only, and belongs into no repository.
 *
 * | what | |
 * | --- | --- |
 * | `transcript.jsonl` | what happened, for all to read |
 * | `home/` | all that the agent itself may see and change: its settings, its records, by which it is resumed, `tmp/`; until its end |
 * | `prompt.md`, `output-N.jsonl`, `errors-N.log` | what its process N reads and writes, until that is in the transcript |
 * | `refused.jsonl` | connections that its sandbox refused |
 * | `process.json` | its process, as long as that may live |
 * | `watched.json` | for how long its last process was watched |
 */
export class SessionDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get transcript(): string {
    return join(this.path, "transcript.jsonl");
  }
  get home(): string {
    return join(this.path, "home");
  }
  get temporary(): string {
    return join(this.home, "tmp");
  }
  /** Connections that the sandbox refused, a line of JSON each. */
  get refusals(): string {
    return join(this.path, "refused.jsonl");
  }
  get prompt(): string {
    return join(this.path, "prompt.md");
  }
  /** Settings that the agent's program is started with. */
  settings(name: string): string {
    return join(this.home, name);
  }
  output(process: number): string {
    return join(this.path, `output-${process}.jsonl`);
  }
  errors(process: number): string {
    return join(this.path, `errors-${process}.log`);
  }
  get #watched(): string {
    return join(this.path, "watched.json");
  }
  get #process(): string {
    return join(this.path, "process.json");
  }

  make(): void {
    for (const path of [this.path, this.home, this.temporary]) mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /** Writes a file that only the owner may read. */
  write(path: string, text: string): void {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Numbers of processes whose output is not wholly in the transcript. */
  untold(): number[] {
    if (!existsSync(this.path)) return [];
    return readdirSync(this.path)
      .flatMap((name) => /^output-(\d+)[.]jsonl$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((one, other) => one - other);
  }

  recordProcess(record: ProcessRecord): void {
    this.write(this.#process, JSON.stringify(record));
  }

  /** Null where no process of the session can be alive. */
  readProcess(): ProcessRecord | null {
    try {
      return processSchema.parse(JSON.parse(readFileSync(this.#process, "utf8")));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Whether anything is here that goes when a session has ended. */
  get hasRemains(): boolean {
    return this.readProcess() !== null || existsSync(this.home);
  }

  /** Nobody needs the agent's own records of a session that is not resumed, and secrets are not masked there. */
  removeHome(): void {
    rmSync(this.home, { recursive: true, force: true, maxRetries: 3 });
  }

  forgetProcess(): void {
    rmSync(this.#process, { force: true });
  }

  /** @param seconds for which the session was watched, with all its processes until then */
  noteWatched(process: number, seconds: number): void {
    this.write(this.#watched, JSON.stringify({ process, seconds }));
  }

  /** The seconds that were noted last while a process ran; 0 where none were, or where the note did not outlive a crash. */
  watched(process: number): number {
    try {
      const noted = watchedSchema.safeParse(JSON.parse(readFileSync(this.#watched, "utf8")));
      return noted.success && noted.data.process === process ? noted.data.seconds : 0;
    } catch (error) {
      if (isMissing(error) || error instanceof SyntaxError) return 0;
      throw error;
    }
  }

  /** What a process wrote is in the transcript now, masked. */
  removeOutput(process: number): void {
    for (const path of [this.output(process), this.errors(process), this.prompt]) rmSync(path, { force: true });
  }
}
