import { isUtf8 } from "node:buffer";
import { closeSync, constants, existsSync, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import type { AttemptDirectory } from "./attempt/attempt-directory.ts";
import type { Collected, Offsets } from "./executor.ts";
import { repeatedName } from "./attempt/result-names.ts";
import { readFrom } from "../hosts/tail.ts";
import { hasCode, isMissing } from "../hosts/system-errors.ts";

/** Bytes of each stream that one call collects. */
export const defaultLimit = 4 * 1024 * 1024;

/** A result file above this size is refused, in bytes. */
export const resultLimit = 10 * 1024 * 1024;

/** A result with more metrics is refused: each is kept in the database, and read with every other of its experiment. */
export const mostMetrics = 10_000;

/** So many metrics that are left out are named. */
const mostWarnings = 10;

const newline = 0x0a;

/** What an attempt has written since the offsets. Metrics are given up to the last whole line. */
export function collectAttempt(directory: AttemptDirectory, offsets: Offsets, limit: number): Collected {
  const stdout = readFrom(directory.stdout, offsets.stdout, limit);
  const stderr = readFrom(directory.stderr, offsets.stderr, limit);
  const isRead = existsSync(directory.metrics) && isInside(directory.output, directory.metrics);
  const read = isRead ? readFrom(directory.metrics, offsets.metrics, limit) : empty;
  const whole = read.lastIndexOf(newline) + 1;
  const ended = whole < read.length && read.length < limit && directory.readExit() !== null;
  // A line longer than the limit is given in pieces, so that it cannot stop the stream; it is then reported as malformed.
  const metrics = ended || (whole === 0 && read.length === limit) ? read : read.subarray(0, whole);
  return {
    stdout,
    stderr,
    metrics,
    offsets: {
      stdout: offsets.stdout + stdout.length,
      stderr: offsets.stderr + stderr.length,
      metrics: offsets.metrics + metrics.length,
    },
  };
}

const empty = new Uint8Array(0);

export interface MetricPoint {
  /** Byte offset of the line in `metrics.jsonl`: with the name it identifies the point. */
  line_offset: number;
  /** The line's `step`; null when it has none. */
  step: number | null;
  name: string;
  value: number;
}

export interface ParsedMetrics {
  points: MetricPoint[];
  /** Lines that are no JSON object, name something twice, or whose step is no number. */
  malformed: number;
  /** The first of them, shortened. */
  malformed_example: string | null;
  /** Values that are not finite numbers, which are left out. */
  non_finite: number;
}

/** Reads lines of `metrics.jsonl`. `offset` is where the bytes begin in the file. */
export function parseMetrics(bytes: Uint8Array, offset: number): ParsedMetrics {
  const result: ParsedMetrics = { points: [], malformed: 0, malformed_example: null, non_finite: 0 };
  const decoder = new TextDecoder();
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(newline, start);
    const stop = end === -1 ? bytes.length : end;
    const line = decoder.decode(bytes.subarray(start, stop)).trim();
    if (line !== "") addLine(result, line, offset + start);
    start = stop + 1;
  }
  return result;
}

function addLine(result: ParsedMetrics, line: string, lineOffset: number): void {
  const object = parsePythonJson(line).value;
  const step = isRecord(object) ? (object["step"] ?? null) : undefined;
  const isStep = step === null || (typeof step === "number" && Number.isFinite(step));
  if (!isRecord(object) || !isStep || repeatedName(line) !== null) {
    result.malformed += 1;
    result.malformed_example ??= line.slice(0, 200);
    return;
  }
  for (const [name, value] of Object.entries(object)) {
    if (name === "step") continue;
    if (typeof value === "number" && Number.isFinite(value)) {
      result.points.push({ line_offset: lineOffset, step, name, value });
    } else if (value === null || typeof value === "number" || isNonFiniteMark(value)) {
      result.non_finite += 1;
    }
  }
}

export type ResultProblem =
  | "missing"
  | "empty"
  | "too large"
  | "no file"
  | "unreadable"
  | "outside"
  | "not UTF-8"
  | "not JSON"
  | "not an object"
  | "repeated name"
  | "no metrics"
  | "too many metrics"
  | "not a number"
  | "non-finite";

export type RunResult =
  | {
      ok: true;
      metrics: Record<string, number>;
      inputs_hash: string | null;
      /** What was left out, in a sentence each; of many, the first. */
      warnings: string[];
    }
  | { ok: false; problem: ResultProblem; message: string };

/**
 * Reads the result that a run wrote to its output directory. Never throws for what a run may have done.
 *
 * @param declared names of the metrics that must be finite; any other that is not is left out, with a warning
 */
export function readResult(outputDirectory: string, file: string, declared: readonly string[]): RunResult {
  const path = join(outputDirectory, file);
  try {
    if (!isInside(outputDirectory, path)) {
      return problem("outside", `${file} lies outside the run's output directory.`);
    }
    const content = readLimited(path);
    if ("bytes" in content) return parseResult(content.bytes, file, declared);
    return content.problem === "too large"
      ? problem("too large", `${file} has more than ${resultLimit / 1024 / 1024} MiB.`)
      : problem("no file", `${file} is no ordinary file.`);
  } catch (error) {
    if (isMissing(error)) return problem("missing", `The run wrote no ${file} to RIGOR_OUTPUT.`);
    if (["EACCES", "EPERM", "ELOOP", "EISDIR", "EIO"].some((code) => hasCode(error, code))) {
      return problem("unreadable", `${file} cannot be read: ${String(error)}.`);
    }
    throw error;
  }
}

/** Whether a result is more than {@link readResult} reads: a file above the limit, or a directory. */
export function isTooMuch(outputDirectory: string, file: string): boolean {
  try {
    const status = statSync(join(outputDirectory, file));
    return status.isDirectory() || status.size > resultLimit;
  } catch {
    return false; // Whatever is wrong with it is said by those who read it.
  }
}

/** Reads the bytes of a result file: see {@link readResult}. */
function parseResult(bytes: Buffer, file: string, declared: readonly string[]): RunResult {
  if (!isUtf8(bytes)) return problem("not UTF-8", `${file} is not UTF-8, the only encoding of JSON.`);
  const text = new TextDecoder().decode(bytes);
  if (text.trim() === "") return problem("empty", `${file} is empty.`);
  const { value: object, error } = parsePythonJson(text);
  if (error !== null) return problem("not JSON", `${file} is not JSON: ${error}.`);
  if (!isRecord(object)) return problem("not an object", `${file} holds no JSON object.`);
  const metrics = object["metrics"];
  const count = isRecord(metrics) ? Object.keys(metrics).length : 0;
  if (count > mostMetrics) {
    const next = "Write what is more to a file that `outputs.artifacts` names.";
    return problem("too many metrics", `${file} has ${count} metrics, and a run may have ${mostMetrics}. ${next}`);
  }
  const repeated = repeatedName(text);
  if (repeated !== null) {
    return problem(
      "repeated name",
      `${file} has ${JSON.stringify(repeated)} twice: it is not known which of them counts.`,
    );
  }
  if (!isRecord(metrics) || count === 0) {
    return problem("no metrics", `${file} has no "metrics": {"name": number, ...}.`);
  }
  const finite: Record<string, number> = {};
  const left: string[] = [];
  for (const [name, value] of Object.entries(metrics)) {
    if (typeof value === "number" && Number.isFinite(value)) {
      finite[name] = value;
      continue;
    }
    const what = `the metric ${name} is ${shown(value)}`;
    if (value !== null && typeof value !== "number" && !isNonFiniteMark(value)) {
      return problem("not a number", `${file}: ${what}, not a number.`);
    }
    if (declared.includes(name)) return problem("non-finite", `${file}: ${what}, not a finite number.`);
    left.push(`${file}: ${what}; it is not declared, and left out.`);
  }
  const warnings = left.slice(0, mostWarnings);
  if (left.length > mostWarnings) {
    warnings.push(
      `${file}: ${left.length - mostWarnings} more metrics that are not declared are not finite, and left out.`,
    );
  }
  const hash = object["inputs_hash"];
  return { ok: true, metrics: finite, inputs_hash: typeof hash === "string" ? hash : null, warnings };
}

function problem(name: ResultProblem, message: string): RunResult {
  return { ok: false, problem: name, message };
}

function shown(value: unknown): string {
  if (typeof value === "number") return String(value);
  return isNonFiniteMark(value) ? value[nonFinite] : JSON.stringify(value).slice(0, 100);
}

const nonFinite = "\u0000non-finite";

function isNonFiniteMark(value: unknown): value is { [nonFinite]: string } {
  return isRecord(value) && typeof value[nonFinite] === "string";
}

/** A string of JSON, or one of the words that Python writes in place of a number and JSON does not know. */
const stringOrWord = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/gs;

/** JSON as Python's `json` writes it: NaN and Infinity become marks, so that they can be named. */
function parsePythonJson(text: string): { value: unknown; error: string | null } {
  try {
    return { value: JSON.parse(text), error: null };
  } catch (error) {
    const marked = text.replace(stringOrWord, (found) =>
      found.startsWith('"') ? found : JSON.stringify({ [nonFinite]: found }),
    );
    if (marked !== text) {
      try {
        return { value: JSON.parse(marked), error: null };
      } catch (second) {
        if (!(second instanceof SyntaxError)) throw second;
      }
    }
    if (error instanceof SyntaxError) return { value: undefined, error: error.message };
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a path, with its links followed, stays in a directory. A missing file is taken as inside. */
function isInside(directory: string, path: string): boolean {
  try {
    return realpathSync.native(path).startsWith(realpathSync.native(directory) + sep);
  } catch (error) {
    if (isMissing(error)) return join(path).startsWith(join(directory) + sep);
    throw error;
  }
}

/** The content of an ordinary file, or why it is not read. Never waits for a pipe. */
function readLimited(path: string): { bytes: Buffer } | { problem: "too large" | "no file" } {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) return { problem: "no file" };
    if (status.size > resultLimit) return { problem: "too large" };
    const bytes = Buffer.alloc(status.size);
    const length = readSync(descriptor, bytes, 0, bytes.length, 0);
    return { bytes: bytes.subarray(0, length) };
  } finally {
    closeSync(descriptor);
  }
}
