import { statfs } from "node:fs/promises";
import type { Verdict } from "./verdict.ts";

/** Bytes that must be free, and milliseconds for which they may be missing: somebody may be clearing up. */
const leastFree = 64 * 1024;
const patience = 2_000;

/**
 * Whether a session's disk is full, or was when its agent could not go on: what dies of a full disk often makes room
 * on it as it goes. Times are milliseconds of a clock that never jumps.
 */
export class SessionDisk {
  readonly #path: string;
  /** Since when, and how, the disk was seen full; null where the agent has written since then that there is room. */
  #full: { since: number; evidence: string } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Looks at the disk. `wrote`: the agent has written since the last look. */
  async look(wrote: boolean, now: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#path);
    const free = bavail * bsize;
    if (free < leastFree) {
      this.#full ??= { since: now, evidence: `${free} bytes were free in ${this.#path}.` };
    } else if (wrote) this.#full = null;
  }

  /** That the disk is full and stays so; null where it is not. */
  problem(now: number): Verdict | null {
    return this.#full !== null && now - this.#full.since >= patience ? this.cause() : null;
  }

  /** Why an agent has ended that did not say so; null where the disk was not seen full since its last word. */
  cause(): Verdict | null {
    return this.#full === null ? null : { outcome: "disk-full", evidence: this.#full.evidence };
  }
}

/** The words of the system, and of programs that translate them; a limit of watched files has the same code. */
const fullWords = /no space left on device|disk quota exceeded|\bdisk is full\b/i;
const watchWords = /\bwatch|\binotify/i;

/** The first line that says that a disk is full; null where none does. */
export function fullDiskIn(text: string): string | null {
  return (
    text
      .split("\n")
      .find((line) => fullWords.test(line) && !watchWords.test(line))
      ?.trim() ?? null
  );
}
