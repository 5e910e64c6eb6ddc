import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { asStorage } from "../attempt/storage-errors.ts";

const notesSchema = z.object({
  /** Calls that were being made. */
  open: z.int().nonnegative(),
  /** Epoch seconds, and how many calls ended in each. */
  ended: z.array(z.tuple([z.int(), z.int().positive()])),
});

/**
 * The calls of a scheduler that still count, in a file: a daemon that is started anew must not begin with a whole budget.
 * It outlives the process, not the loss of power, after which a machine takes its time to start.
 */
export class CallNotes {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * When calls ended, in their order; one whose end nobody has noted ends now.
   *
   * @param nowMs epoch milliseconds
   * @throws RigorError `storage`
   */
  read(nowMs: number): number[] {
    const { open, ended } = asStorage(this.#path, () => this.#parse());
    const ends = ended.flatMap(([second, count]) => Array.from({ length: count }, () => (second + 1) * 1_000));
    return [...ends, ...Array.from({ length: open }, () => nowMs)]
      .map((endMs) => Math.min(endMs, nowMs))
      .toSorted(order);
  }

  /** @throws RigorError `storage` */
  write({ open, endsMs }: { open: number; endsMs: readonly number[] }): void {
    const seconds = Map.groupBy(endsMs, (endMs) => Math.floor(endMs / 1_000));
    const notes: z.infer<typeof notesSchema> = {
      open,
      ended: [...seconds].map(([second, { length }]) => [second, length]),
    };
    asStorage(this.#path, () => {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(`${this.#path}.next`, `${JSON.stringify(notes)}\n`, { mode: 0o600 });
      renameSync(`${this.#path}.next`, this.#path);
    });
  }

  /** Nothing for a file that is not there, or is no note. */
  #parse(): z.infer<typeof notesSchema> {
    const nothing = { open: 0, ended: [] };
    try {
      return notesSchema.safeParse(JSON.parse(readFileSync(this.#path, "utf8"))).data ?? nothing;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return nothing;
      throw error;
    }
  }
}

const order = (a: number, b: number): number => a - b;
