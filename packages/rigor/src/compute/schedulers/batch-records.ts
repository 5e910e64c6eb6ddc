import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import { asStorage } from "../attempt/storage-errors.ts";

const recordSchema = z.object({
  name: z.string().min(1),
  /** Where its script lies, and what the scheduler writes of it. */
  host: z.string(),
  folder: z.string(),
  /** Epoch milliseconds. */
  recorded_at: z.number(),
  /** The scheduler's id; null until it was learnt, or for ever when the answer was lost. */
  id: z.string().nullable(),
  /** The scheduler's words, when it refused the batch: then nothing of it ever starts. */
  refused: z.string().nullable(),
  /** Seconds, the longest of its members. */
  heartbeat: z.number(),
  /** By index. */
  members: z.array(z.object({ run: z.string(), attempt: z.string() })).min(1),
});

/** A batch that was, or may have been, submitted. */
export type BatchRecord = z.infer<typeof recordSchema>;

/** A batch by what stands beside its script on the host; null for anything else. Its id is not needed to find it. */
export function readBatch(contents: string, host: string, folder: string): BatchRecord | null {
  try {
    const known = JSON.parse(contents) as object;
    return recordSchema.safeParse({ ...known, host, folder, id: null, refused: null }).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export interface Place {
  batch: BatchRecord;
  index: number;
}

/**
 * Which attempts are in which batch, kept in files so that it is known before anything is submitted and after every
 * crash.
 */
export class BatchRecords {
  readonly #folder: string;
  readonly #places = new Map<string, Place>();
  /** Batches that nobody asks about any more, whose folders may be removed. */
  readonly #forgotten: string[] = [];

  /**
   * @param host on which batches may be forgotten
   * @throws RigorError `storage` when the data directory cannot be written
   */
  constructor(dataDirectory: string, host: string) {
    this.#folder = join(dataDirectory, "batches");
    asStorage(this.#folder, () => mkdirSync(this.#folder, { recursive: true, mode: 0o700 }));
    const records = readdirSync(this.#folder).flatMap((name) => this.#read(name) ?? []);
    for (const record of records.toSorted((a, b) => a.recorded_at - b.recorded_at)) {
      const isOpen = record.members.some((member) => showsNoEnd(dataDirectory, member));
      if (isOpen || record.host !== host) this.#place(record);
      else this.#forget(record);
    }
  }

  /** Where an attempt is: in the batch that it was last given to. */
  find(attempt: string): Place | undefined {
    return this.#places.get(attempt);
  }

  /** Returns when the record outlives a loss of power. @throws RigorError `storage` */
  add(record: BatchRecord): void {
    asStorage(this.#folder, () => this.#write(record, true));
    this.#place(record);
  }

  /** What is learnt later is only a help: a batch is found by its name. */
  learn(record: BatchRecord, id: string): void {
    record.id = id;
    asStorage(this.#folder, () => this.#write(record, false));
  }

  refuse(record: BatchRecord, words: string): void {
    record.refused = words;
    asStorage(this.#folder, () => this.#write(record, true));
  }

  /** Names of batches that were forgotten, each once. */
  takeForgotten(): string[] {
    return this.#forgotten.splice(0);
  }

  #forget(record: BatchRecord): void {
    rmSync(this.#path(record.name), { force: true });
    this.#forgotten.push(record.name);
  }

  /** A batch without a member that was last given to it is forgotten. */
  #place(batch: BatchRecord): void {
    const earlier = new Set(batch.members.flatMap(({ attempt }) => this.#places.get(attempt)?.batch ?? []));
    for (const [index, { attempt }] of batch.members.entries()) this.#places.set(attempt, { batch, index });
    for (const other of earlier) {
      const isLeft = other.members.every(({ attempt }) => this.#places.get(attempt)?.batch !== other);
      if (isLeft) this.#forget(other);
    }
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`);
  }

  /** Null for a file that is no record: a part of one, of a batch that was never submitted. */
  #read(name: string): BatchRecord | null {
    if (!name.endsWith(".json")) return null;
    try {
      return recordSchema.safeParse(JSON.parse(readFileSync(join(this.#folder, name), "utf8"))).data ?? null;
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  #write(record: BatchRecord, durably: boolean): void {
    const next = `${this.#path(record.name)}.next`;
    const file = openSync(next, "w", 0o600);
    try {
      writeFileSync(file, `${JSON.stringify(record)}\n`);
      if (durably) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(next, this.#path(record.name));
    if (durably) syncFolder(this.#folder);
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Whether the copy of an attempt shows no end, and is still there. */
function showsNoEnd(dataDirectory: string, { run, attempt }: { run: string; attempt: string }): boolean {
  const directory = AttemptDirectory.in(dataDirectory, run, attempt);
  return existsSync(directory.path) && !existsSync(directory.exit);
}
