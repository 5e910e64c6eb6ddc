import { readFileSync } from "node:fs";
import { z } from "zod";
import { RigorError } from "../../domain/errors.ts";
import type { AttemptMirror, HostFile } from "./attempt-mirror.ts";
import { isMissing } from "../../hosts/system-errors.ts";

/** An attempt that has ended on a host. */
export interface EndedAttempt {
  attempt: string;
  /** Below the folder of all attempts. */
  path: string;
  /** The record of its end, as it stands there. */
  record: string;
}

/** Attempts that are brought over together, at most. */
const together = 200;

/** Bytes of one attempt from which on it is brought over by itself, so that no other waits for it. */
const large = 8 * 1024 * 1024;

/** Large attempts that are brought over at the same time: a server allows ten sessions on a connection. */
const largeAtOnce = 2;

/**
 * Brings over what attempts left on a host: many small ones with a few calls, and large ones beside them, so that hours
 * of copying hold up nothing else. What fails is begun again at the next look.
 */
export class Arrivals {
  readonly #coming = new Set<string>();
  readonly #work = new Set<Promise<void>>();
  readonly #small = new Slots(1);
  readonly #large = new Slots(largeAtOnce);
  readonly #onArrival: (attempt: string) => void;
  /** What went wrong on this machine, such as a full disk; a host that does not answer is seen anyway. */
  #fault: Error | null = null;

  constructor(onArrival: (attempt: string) => void) {
    this.#onArrival = onArrival;
  }

  has(attempt: string): boolean {
    return this.#coming.has(attempt);
  }

  /** @param sizes bytes of their streams on the host, by path */
  add(mirror: AttemptMirror, ended: readonly EndedAttempt[], sizes: ReadonlyMap<string, number>): void {
    for (let start = 0; start < ended.length; start += together) {
      const group = ended.slice(start, start + together);
      this.#begin(group, () => this.#small.run(() => this.#bringGroup(mirror, group, sizes)));
    }
  }

  /** Says once what went wrong on this machine since the last time; null for nothing. */
  takeFault(): Error | null {
    const fault = this.#fault;
    this.#fault = null;
    return fault;
  }

  #note(error: unknown): void {
    if (error instanceof RigorError && error.code === "unreachable") return;
    this.#fault = error instanceof Error ? error : new Error(String(error));
  }

  /** Waits until nothing is under way. */
  async settle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #begin(group: readonly EndedAttempt[], bring: () => Promise<readonly EndedAttempt[]>): void {
    for (const { attempt } of group) this.#coming.add(attempt);
    const work = bring()
      .catch((error: unknown) => {
        this.#note(error);
        return group;
      })
      .then((over) => {
        for (const { attempt } of over) this.#coming.delete(attempt);
        this.#work.delete(work);
      });
    this.#work.add(work);
  }

  /** @returns those that are not under way any more */
  async #bringGroup(
    mirror: AttemptMirror,
    group: readonly EndedAttempt[],
    sizes: ReadonlyMap<string, number>,
  ): Promise<readonly EndedAttempt[]> {
    const declared = new Map(group.map(({ path }) => [path, declaredOf(mirror, path)]));
    const outputs = await mirror.outputsOf(new Map([...declared].map(([path, one]) => [path, one.outputs])));
    const all = group.map((ended) => {
      const { path } = ended;
      const records = [...mirror.processOf(path, sizes), ...mirror.streamsOf(path, sizes)];
      const left = outputs.get(path) ?? [];
      const isTooMuch = bytesOf(left) > (declared.get(path)?.most_output ?? Infinity);
      const files = [...records, ...(isTooMuch ? [] : left)];
      return { ended, files, bytes: files.reduce((sum, file) => sum + mirror.missing(file), 0) };
    });
    const small = all.filter(({ bytes }) => bytes < large);
    for (const { ended, files } of all.filter((one) => !small.includes(one))) {
      this.#begin([ended], () => this.#large.run(() => this.#bringAll(mirror, [ended], files)));
    }
    const others = small.map(({ ended }) => ended);
    await this.#bringAll(
      mirror,
      others,
      small.flatMap(({ files }) => files),
    ).catch((error: unknown) => this.#note(error));
    return others;
  }

  async #bringAll(
    mirror: AttemptMirror,
    group: readonly EndedAttempt[],
    files: readonly HostFile[],
  ): Promise<readonly EndedAttempt[]> {
    await mirror.bring(files);
    for (const { attempt, path, record } of group) {
      const directory = mirror.directory(path);
      directory.create();
      // Last of all: it says that everything is here.
      directory.replace(directory.exit, `${record}\n`);
      this.#coming.delete(attempt);
      this.#onArrival(attempt);
    }
    return group;
  }
}

/** Lets so many pieces of work go on at the same time. */
class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

const bytesOf = (files: readonly HostFile[]): number => files.reduce((sum, { size }) => sum + size, 0);

/** What is to come. Nothing of an attempt whose specification somebody has removed or damaged here. */
function declaredOf(mirror: AttemptMirror, path: string): z.output<typeof specSchema> {
  try {
    return specSchema.parse(JSON.parse(readFileSync(mirror.directory(path).spec, "utf8")));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError || isMissing(error)) return { outputs: [] };
    throw error;
  }
}

const specSchema = z.object({ outputs: z.array(z.string()).default([]), most_output: z.number().optional() });
