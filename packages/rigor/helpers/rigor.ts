/**
 * Reports from a run to Rigor: one file, no dependency. Copy it next to your code, or import it where it lies.
 * Runs on Node 22.18 or newer as it is (its types are erased), or through any bundler.
 *
 *     import { hashInputs, openRun } from "./rigor.ts";
 *
 *     const run = openRun();
 *     const rate = run.number("lr", 1e-3);
 *     for (let step = 0; step < 100; step += 1) run.log(step, { loss: train(rate, run.seed) });
 *     run.report({ accuracy: 0.93 }, hashInputs(trainingSet));
 *
 * A run needs no helper: this file reads the environment variables `RIGOR_*` and writes two files into the directory
 * `RIGOR_OUTPUT`. `metrics.jsonl` has one line per call of `log`, `{"step":10,"loss":0.3}`; `result.json` is
 * `{"metrics":{...},"inputs_hash":"..."}` and appears complete or not at all.
 *
 * Outside Rigor the same program runs with seed 0 and writes to `./rigor-output`; a line on stderr says so.
 */
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";

/** What a run is given, and the two ways it answers. */
export interface Run {
  /** Id of the run; null outside Rigor. */
  readonly id: string | null;
  /** Name of the arm; empty outside Rigor. */
  readonly arm: string;
  /** Name of the task; empty outside Rigor. */
  readonly task: string;
  readonly seed: number;
  /** Parameters of arm, task and grid, merged. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Absolute path of the directory for results and artifacts; it exists. */
  readonly output: string;
  /** Number of this attempt at the run, from 1, as text; null outside Rigor. */
  readonly attempt: string | null;
  /** Directory with the checkpoints of the attempt before this one; null if there are none. */
  readonly resume: string | null;
  /**
   * Directory with the outputs of a run that this one needs, by its folder: `need("pretrain")`. Nothing can be written
   * there. @throws Error if the experiment declares no such need.
   */
  need(folder: string): string;
  /** A parameter that is a finite number. @throws Error if it is missing without a fallback, or is something else. */
  number(name: string, fallback?: number): number;
  /** A parameter that is a text. @throws Error if it is missing without a fallback, or is something else. */
  text(name: string, fallback?: string): string;
  /**
   * Appends one line to `metrics.jsonl`: the values of some metrics at one step. The line is handed to the system
   * before the call returns, so a run that is killed later has it.
   *
   * @throws Error if the step is not a non-negative integer, or a value is not a finite number.
   */
  log(step: number, values: Readonly<Record<string, number>>): void;
  /**
   * Writes `result.json` by rename, so that no reader sees half of it. The last call counts.
   *
   * @param inputsHash names the data that the run saw, from `hashInputs`: equal in every arm of a task and seed.
   * @throws Error if there is no metric, or a value is not a finite number.
   */
  report(metrics: Readonly<Record<string, number>>, inputsHash?: string): void;
}

/** Reads what the run was given. Call it once, at the start. @throws Error if a `RIGOR_*` variable is unusable. */
export function openRun(environment: Readonly<Record<string, string | undefined>> = process.env): Run {
  const inside = Boolean(environment.RIGOR_OUTPUT);
  const output = resolve(environment.RIGOR_OUTPUT || "rigor-output");
  const seed = readSeed(environment.RIGOR_SEED);
  const parameters = readParameters(environment.RIGOR_PARAMETERS);
  mkdirSync(output, { recursive: true });
  if (!inside) process.stderr.write(`rigor: not inside a run: seed ${seed}, output in ${output}\n`);

  const metricsPath = join(output, "metrics.jsonl");
  // Inside Rigor each attempt has a new directory, which several processes may share; by hand it is used again.
  if (!inside) writeFileSync(metricsPath, "");
  let metricsFile: number | null = null;

  return {
    id: environment.RIGOR_RUN_ID || null,
    arm: environment.RIGOR_ARM ?? "",
    task: environment.RIGOR_TASK ?? "",
    seed,
    parameters,
    output,
    attempt: environment.RIGOR_ATTEMPT || null,
    resume: environment.RIGOR_RESUME || null,

    need(folder) {
      const path = environment.RIGOR_NEEDS ? join(environment.RIGOR_NEEDS, folder) : null;
      if (path !== null && existsSync(path)) return path;
      throw new Error(
        `nothing is given as "${folder}": list it under \`needs\` of the arm "${environment.RIGOR_ARM ?? ""}"`,
      );
    },

    number(name, fallback) {
      const value = parameter(parameters, name, fallback);
      if (typeof value === "number" && Number.isFinite(value)) return value;
      throw new Error(`parameter "${name}" is ${JSON.stringify(value)}, not a finite number`);
    },

    text(name, fallback) {
      const value = parameter(parameters, name, fallback);
      if (typeof value === "string") return value;
      throw new Error(`parameter "${name}" is ${JSON.stringify(value)}, not a text`);
    },

    log(step, values) {
      if (!Number.isSafeInteger(step) || step < 0) throw new Error(`step ${step} is not a non-negative integer`);
      if (Object.hasOwn(values, "step")) throw new Error('"step" is not a metric: it is the first argument of log');
      const line = JSON.stringify({ step, ...checkedMetrics(values) });
      metricsFile ??= openSync(metricsPath, "a");
      writeWhole(metricsFile, Buffer.from(`${line}\n`));
    },

    report(metrics, inputsHash) {
      const result = {
        metrics: checkedMetrics(metrics),
        ...(inputsHash === undefined ? {} : { inputs_hash: inputsHash }),
      };
      replaceFile(join(output, "result.json"), `${JSON.stringify(result)}\n`);
    },
  };
}

/**
 * SHA-256 of values, as 64 hexadecimal digits. Equal values give equal hashes here and in `rigor.py`, whatever the
 * order of the keys of an object. Values may be null, booleans, finite numbers, texts, bytes, arrays (typed arrays of
 * floating-point numbers too) and plain objects of these.
 *
 * Each value is hashed as its kind and its content: `n`, `t`, `f`, `d` with the 8 bytes of the number (IEEE 754,
 * big-endian), `s` or `b` with length and bytes, `l` with count and items, `o` with count, keys in order of their
 * UTF-8 bytes and values. Lengths and counts are decimal and end with `:`.
 *
 * @throws Error for a value that has no such form: NaN, a function, a Date, a lone surrogate.
 */
export function hashInputs(...values: unknown[]): string {
  const hash = createHash("sha256");
  for (const value of values) feed(hash, value);
  return hash.digest("hex");
}

function feed(hash: Hash, value: unknown): void {
  if (value === null) hash.update("n");
  else if (typeof value === "boolean") hash.update(value ? "t" : "f");
  else if (typeof value === "number") feedNumber(hash, value);
  else if (typeof value === "string") feedText(hash, value);
  else if (value instanceof Uint8Array) hash.update(`b${value.byteLength}:`).update(value);
  else if (Array.isArray(value) || value instanceof Float64Array || value instanceof Float32Array) {
    hash.update(`l${value.length}:`);
    for (const item of value) feed(hash, item);
  } else if (isPlainObject(value)) {
    const members = Object.entries(value).map(([key, member]) => ({
      key,
      order: Buffer.from(key),
      member,
    }));
    hash.update(`o${members.length}:`);
    for (const { key, member } of members.sort((a, b) => Buffer.compare(a.order, b.order))) {
      feedText(hash, key);
      feed(hash, member);
    }
  } else throw new Error(`${Object.prototype.toString.call(value)} cannot be hashed`);
}

function feedNumber(hash: Hash, value: number): void {
  if (!Number.isFinite(value)) throw new Error(`${value} cannot be hashed`);
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value === 0 ? 0 : value); // -0 equals 0
  hash.update("d").update(bytes);
}

function feedText(hash: Hash, text: string): void {
  if (/\p{Surrogate}/u.test(text)) throw new Error("a text with a lone surrogate cannot be hashed");
  hash.update(`s${Buffer.byteLength(text)}:`).update(text);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function readSeed(text: string | undefined): number {
  if (!text) return 0;
  const seed = Number(text);
  if (!Number.isSafeInteger(seed)) throw new Error(`RIGOR_SEED is "${text}", not an integer`);
  return seed;
}

function readParameters(path: string | undefined): Record<string, unknown> {
  if (!path) return {};
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(`RIGOR_PARAMETERS names ${path}, which cannot be read as JSON`, { cause });
  }
  if (!isPlainObject(value)) throw new Error(`RIGOR_PARAMETERS names ${path}, which does not hold a JSON object`);
  return value;
}

function parameter(parameters: Record<string, unknown>, name: string, fallback: unknown): unknown {
  if (Object.hasOwn(parameters, name)) return parameters[name];
  if (fallback !== undefined) return fallback;
  throw new Error(
    `parameter "${name}" is missing: the experiment declares ${Object.keys(parameters).join(", ") || "none"}`,
  );
}

function checkedMetrics(values: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(values);
  if (entries.length === 0) throw new Error("there is no metric to write");
  for (const [name, value] of entries) {
    if (typeof value === "number" && Number.isFinite(value)) continue;
    throw new Error(`metric "${name}" is ${String(value)}: only finite numbers are results`);
  }
  return Object.fromEntries(entries);
}

/** The system may take less than it is given. */
function writeWhole(file: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
}

function replaceFile(path: string, text: string): void {
  const next = `${path}.${process.pid}.tmp`;
  const file = openSync(next, "w");
  try {
    writeWhole(file, Buffer.from(text));
    fsyncSync(file); // so that the name never outlives the content in a power cut
  } finally {
    closeSync(file);
  }
  renameSync(next, path);
}
