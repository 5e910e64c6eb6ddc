import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, isMissing } from "../../hosts/system-errors.ts";
import type { Verdict } from "./verdict.ts";

/** Milliseconds between two looks, and how much longer they may be: looking at many files takes its time. */
const leastPause = 2_000;
const pauseShare = 20;

/** What files take on a disk. */
export interface Measured {
  bytes: number;
  largest: { path: string; bytes: number } | null;
}

/**
 * Whether what a session leaves has become too much, before it fills the disk for everybody. Times are milliseconds of a
 * clock that never jumps.
 */
export class SessionSize {
  readonly #folders: readonly string[];
  readonly #most: number;
  #nextAt = Number.NEGATIVE_INFINITY;
  #looking = false;
  #excess: Measured | null = null;
  #failure: string | null = null;

  /** @param most bytes */
  constructor(folders: readonly string[], most: number) {
    this.#folders = folders;
    this.#most = most;
  }

  /** Begins to look, if it is time to. Nobody waits for it. */
  look(now: number): void {
    if (this.#looking || now < this.#nextAt) return;
    this.#looking = true;
    const began = performance.now();
    void measure(this.#folders)
      .then((found) => {
        this.#failure = null;
        this.#excess = found.bytes > this.#most ? found : null;
      })
      .catch((error: unknown) => (this.#failure = error instanceof Error ? error.message : String(error)))
      .finally(() => {
        this.#looking = false;
        this.#nextAt = now + Math.max(leastPause, (performance.now() - began) * pauseShare);
      });
  }

  /** That it is too much, or that nobody knows; null where it is not. */
  problem(): Verdict | null {
    // Nobody works without the limit.
    if (this.#failure !== null)
      return { outcome: "failed", evidence: `Its files cannot be measured: ${this.#failure}` };
    if (this.#excess === null) return null;
    const { bytes, largest } = this.#excess;
    const most = largest === null ? "" : ` The largest file is ${largest.path} (${sizeText(largest.bytes)}).`;
    return {
      outcome: "size-limit",
      evidence: `What it has left takes ${sizeText(bytes)} of the disk, and may take ${sizeText(this.#most)}.${most}`,
    };
  }
}

/** What files and folders take on the disk. What vanishes meanwhile, is not there or is closed to us takes nothing. */
export async function measure(paths: readonly string[]): Promise<Measured> {
  const all: Measured = { bytes: 0, largest: null };
  const open = [...paths];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    try {
      const status = await lstat(path);
      // The system counts in these, whatever the disk's own are.
      const bytes = status.blocks * 512;
      all.bytes += bytes;
      if (status.isFile() && bytes > (all.largest?.bytes ?? 0)) all.largest = { path, bytes };
      if (!status.isDirectory()) continue;
      const folder = path;
      for (const name of await readdir(folder)) open.push(join(folder, name));
    } catch (error) {
      if (!isMissing(error) && !hasCode(error, "EACCES")) throw error;
    }
  }
  return all;
}

/** A size as `size` in the head of a role is written. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}
