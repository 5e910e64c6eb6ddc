import { open, type FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds over which commits are gathered: a flush takes the disk from those who work. */
const pauseMs = 50;

/** Brings a journal to the disk beside the work: many commits by one flush. */
export class JournalFlush {
  readonly #path: string;
  #file: FileHandle | null = null;
  #isDirty = false;
  #flushing: Promise<void> | null = null;
  #works = true;

  /** @param path of the journal, which stays the same file while the database is open */
  constructor(path: string) {
    this.#path = path;
  }

  /** False once the disk has refused: then each commit must see to itself, and its writer hears of the fault. */
  get works(): boolean {
    return this.#works;
  }

  /** What was written until now will be on the disk in a moment. */
  flushSoon(): void {
    this.#isDirty = true;
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
      // What came after the last look of a flush, and before its end was known here.
      if (this.#isDirty && this.#works) this.flushSoon();
    });
  }

  async #flush(): Promise<void> {
    try {
      this.#file ??= await open(this.#path, "r+");
      while (this.#isDirty) {
        await sleep(pauseMs);
        this.#isDirty = false;
        await this.#file.datasync();
      }
    } catch {
      this.#works = false;
    }
  }

  /** Lets go of the journal. SQLite brings the rest to the disk when it closes the database. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.#file?.close();
    this.#file = null;
  }
}
